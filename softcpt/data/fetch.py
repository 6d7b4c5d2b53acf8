"""Downloads data sets; lists manual steps where a download is not allowed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath

from softcpt.data.base import TaskDataset
from softcpt.data.catalog import CatalogEntry
from softcpt.data.download_record import forget
from softcpt.data.fetchers import ByHandError, ManualStepsError, Wanted, bring, steps
from softcpt.data.source import Source
from softcpt.data.split import read_split
from softcpt.data.unpack import BadArchiveError, merge_folders, unpack
from softcpt.errors import UserError
from softcpt.utils.download import digest_name, file_digest, make_folder
from softcpt.utils.files import atomic_write
from softcpt.utils.locks import file_lock

# In a data set's folder while it is being fetched: what is there may be only a part, whatever it
# looks like.
_UNFINISHED = ".get.unfinished"
# What a marker beside an archive says of it: that we fetch it, that we fetched it, that somebody
# put it there, or that all that it holds is in place.
_COMING, _OURS, _THEIRS, _DONE = "downloading", "downloaded", "put here", "unpacked"


def get(
    entry: CatalogEntry, keep: bool = False, again: bool = False, refill: bool = False
) -> list[UserError]:
    """Download and unpack the files of a data set that are not there yet; returns what kept single
    ones from arriving.

    A file that is in place stays, but for a split file that is damaged, and so does an archive that
    was put there by hand. Where several sources give the same, the later ones are tried when the
    earlier ones fail. A process that was killed continues where it was.

    Args:
        entry: the data set.
        keep: keep archives that were downloaded and unpacked.
        again: download what is in place once more.
        refill: unpack archives once more: what they give is in place, but only a part of it.

    Raises:
        UserError: the data set's folder cannot be made.
    """
    kind: type[TaskDataset] = entry.kind
    folder = folder_of(entry)
    make_folder(folder)
    failures: dict[str, UserError] = {}
    fetched: set[str] = set()
    with file_lock(folder / ".get.lock"), _noted(folder / _UNFINISHED, failures):
        for source in kind.sources:
            _restore(folder / source.file)
            gives = source.gives or source.file
            renew = again or _is_damaged_split(kind, folder / source.file)
            refilled = refill and source.unpack_to is not None
            wanted = renew or refilled or not _in_place(kind, folder, source)
            if gives in fetched or not wanted:
                failures.pop(gives, None)
                continue
            try:
                with _set_aside(folder / source.file, renew and source.kind in ("http", "gdrive")):
                    _obtain(kind, Wanted(source, folder), keep)
                fetched.add(gives)
                failures.pop(gives, None)
            except UserError as error:
                failures.setdefault(gives, error)
    return list(failures.values())


def folder_of(entry: CatalogEntry) -> Path:
    """The folder of a data set that may be downloaded, whether it is there or not."""
    kind: type[TaskDataset] = entry.kind
    try:
        return kind.find_folder(entry.root)
    except UserError:
        return Path(entry.root).expanduser().absolute() / kind.dataset_dir


def _in_place(kind: type[TaskDataset], folder: Path, source: Source) -> bool:
    """Whether what ``source`` gives is there, maybe in one more folder that an archive wrapped
    around it."""
    if _marker(folder / source.file).exists():
        return False
    gives = source.gives or source.file
    if gives == kind.image_dir and kind.image_folder(folder).is_dir():
        return True
    places = (folder, kind.image_folder(folder).parent) if kind.image_dir else (folder,)
    return any((place / gives).exists() for place in places)


def _is_damaged_split(kind: type[TaskDataset], path: Path) -> bool:
    if path.name not in kind.split_files or not path.is_file():
        return False
    try:
        read_split(path)
    except UserError:
        return True
    return False


def _obtain(kind: type[TaskDataset], wanted: Wanted, keep: bool) -> None:
    """Fetch one file, unpack it, and clear away what is not needed any more."""
    source, archive = wanted.source, wanted.path
    make_folder(archive.parent)
    if source.unpack_to is None:
        if archive.exists():
            _check(source, archive)
        else:
            bring(wanted)
    else:
        _obtain_archive(kind, wanted, keep)
    if source.gives and not (wanted.folder / source.gives).exists():
        raise UserError(
            f"{archive}: another archive than expected, it holds no {source.gives}; get "
            f"{source.address}"
        )


def _obtain_archive(kind: type[TaskDataset], wanted: Wanted, keep: bool) -> None:
    """The same of an archive. A marker says how far this got, should the process be killed."""
    source, archive, marker = wanted.source, wanted.path, _marker(wanted.path)
    if _said(marker) != _DONE or archive.exists():
        _find_or_bring(wanted, marker)
        _unpack(kind, wanted, wanted.folder / (source.unpack_to or "."))
        for old, new in source.rename:
            _rename(wanted.folder / old, wanted.folder / new)
        if _said(marker) == _OURS and not keep:
            _say(marker, _DONE)
            archive.unlink(missing_ok=True)
    marker.unlink()


def _find_or_bring(wanted: Wanted, marker: Path) -> None:
    """Have the archive in place, and the marker say whose it is."""
    source, archive, said = wanted.source, wanted.path, _said(marker)
    # While we were fetching it somebody may have put it there.
    beginnings = archive.parent.glob(f".{archive.name}.*.part")
    if archive.exists() and said in (_OURS, _COMING, _DONE) and not any(beginnings):
        _say(marker, _OURS)
    elif archive.exists():
        _check(source, archive)
        _say(marker, _THEIRS)
    else:
        _say(marker, _COMING)
        try:
            bring(wanted)
        except UserError:
            marker.unlink()
            raise
        _say(marker, _OURS)


def _unpack(kind: type[TaskDataset], wanted: Wanted, target: Path) -> None:
    source, archive, marker = wanted.source, wanted.path, _marker(wanted.path)

    def is_left_out(name: str) -> bool:
        """Draws of another project, which would be taken for this one's, and a split that is there
        already."""
        parts = PurePath(name).parts
        known = parts[-1:] and parts[-1] in kind.split_files and (target / name).exists()
        return bool(known) or bool(set(parts) & set(source.left_out))

    try:
        if archive.exists():  # Kaggle's client leaves no archive
            unpack(archive, target, is_left_out if source.left_out else None)
    except BadArchiveError as error:
        ours = _said(marker) == _OURS
        marker.unlink()
        if not ours:
            raise
        archive.unlink()
        forget(source, wanted.folder)
        message = (
            f"{archive.name}: what came from {source.address} was deleted, {error.fault}; try again"
        )
        raise ManualStepsError(message, steps(wanted)) from error


@contextmanager
def _noted(note: Path, failures: Mapping[str, UserError]) -> Iterator[None]:
    """Have a file in place until this ends. It stays if this breaks off, as when the process is
    killed, or something that a program can fetch did not come: then the next call has more to
    do."""
    _say(note, "")
    yield
    if all(isinstance(failure, ByHandError) for failure in failures.values()):
        note.unlink(missing_ok=True)


def is_unfinished(entry: CatalogEntry) -> bool:
    """Whether fetching the data set broke off, or something did not come that may come another
    time."""
    return (folder_of(entry) / _UNFINISHED).exists()


def _say(marker: Path, text: str) -> None:
    with atomic_write(marker, flush=False) as temporary:
        temporary.write_text(text)


def _said(marker: Path) -> str:
    return marker.read_bytes().decode(errors="replace") if marker.exists() else ""


def _restore(path: Path) -> None:
    """Undo :func:`_set_aside` of a process that was killed."""
    old = path.with_name(f".{path.name}.old")
    if old.exists() and path.exists():
        old.unlink()
    elif old.exists():
        os.replace(old, path)


@contextmanager
def _set_aside(path: Path, wanted: bool) -> Iterator[None]:
    """Move the file ``path`` out of the way; it comes back if no new one arrives."""
    old = path.with_name(f".{path.name}.old")
    if wanted and path.is_file():
        os.replace(path, old)
    try:
        yield
    finally:
        _restore(path)


def _marker(archive: Path) -> Path:
    """A file that is there while an archive is being unpacked; it says who brought the archive."""
    return archive.with_name(f".{archive.name}.unfinished")


def _rename(old: Path, new: Path) -> None:
    if old.is_dir():
        merge_folders(old, new)
        shutil.rmtree(old, ignore_errors=True)
    elif old.exists():
        make_folder(new.parent)
        os.replace(old, new)


def _check(source: Source, archive: Path) -> None:
    checksum = source.sha256 or source.md5
    if checksum and file_digest(archive, checksum) != checksum:
        raise UserError(
            f"{archive}: not the published file (its {digest_name(checksum)} is not "
            f"{checksum[:12]}...); delete it and run this command again, or get it from "
            f"{source.address}"
        )
