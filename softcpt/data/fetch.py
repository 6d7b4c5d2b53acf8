"""Downloads data sets; lists manual steps where a download is not allowed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from softcpt.data.base import TaskDataset
from softcpt.data.catalog import CatalogEntry
from softcpt.data.source import Source
from softcpt.data.split import read_split
from softcpt.data.unpack import BadArchiveError, merge_folders, unpack
from softcpt.errors import UserError
from softcpt.utils.download import digest_name, download, file_digest, make_folder


class ManualStepsError(UserError):
    """A file that a person has to download; ``steps`` are what is to be done, in order."""

    def __init__(self, message: str, steps: list[str]) -> None:
        super().__init__(message)
        self.steps = steps


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
    with FileLock(folder / ".get.lock"):
        for source in kind.sources:
            gives = source.gives or source.file
            renew = again or _is_damaged_split(kind, folder / source.file)
            refilled = refill and source.unpack_to is not None
            wanted = renew or refilled or not _in_place(kind, folder, source)
            if gives in fetched or not wanted:
                failures.pop(gives, None)
                continue
            try:
                with _set_aside(folder / source.file, renew and source.kind in ("http", "gdrive")):
                    _obtain(source, folder, keep)
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


def _obtain(source: Source, folder: Path, keep: bool) -> None:
    """Fetch one file, unpack it, and clear away what is not needed any more."""
    archive = folder / source.file
    make_folder(archive.parent)
    if archive.exists():
        _check(source, archive)
        found = "put here"
    else:
        found = "downloaded"
        _FETCHERS[source.kind](source, archive)
    if source.unpack_to is not None:
        marker = _marker(archive)
        if not marker.exists():
            marker.write_text(found)
        _unpack(source, archive, folder / source.unpack_to)
        for old, new in source.rename:
            _rename(folder / old, folder / new)
        if marker.read_text() == "downloaded" and not keep:
            archive.unlink(missing_ok=True)
        marker.unlink()
    if source.gives and not (folder / source.gives).exists():
        raise UserError(
            f"{archive}: another archive than expected, it holds no {source.gives}; get "
            f"{source.address}"
        )


def _unpack(source: Source, archive: Path, target: Path) -> None:
    marker = _marker(archive)
    try:
        if archive.exists():  # Kaggle's client leaves no archive
            unpack(archive, target)
    except BadArchiveError as error:
        downloaded = marker.read_text() == "downloaded"
        marker.unlink()
        if not downloaded:
            raise
        archive.unlink()
        message = (
            f"{archive.name}: what came from {source.address} was deleted, {error.fault}; try again"
        )
        raise ManualStepsError(message, _steps(source, archive)) from error


@contextmanager
def _set_aside(path: Path, wanted: bool) -> Iterator[None]:
    """Move the file ``path`` out of the way; it comes back if no new one arrives."""
    old = path.with_name(f".{path.name}.old")
    if wanted and path.is_file():
        os.replace(path, old)
    try:
        yield
    finally:
        if old.exists() and path.exists():
            old.unlink()
        elif old.exists():
            os.replace(old, path)


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


def _from_web(source: Source, archive: Path) -> None:
    try:
        download(source.url, archive, source.sha256 or source.md5)
    except UserError as error:
        raise ManualStepsError(str(error), _steps(source, archive)) from error


def _from_drive(source: Source, archive: Path) -> None:
    """Google Drive; gdown follows the pages between the link and the file."""
    import gdown

    partial = archive.with_name(f".{archive.name}.gdrive")
    reason = "the drive refuses, perhaps for today only"
    try:
        done = gdown.download(id=source.url, output=str(partial), quiet=False, resume=True)
    except Exception as error:  # noqa: BLE001 (gdown's, requests', and what a changed page causes)
        done, reason = None, " ".join(str(error).split())[:200] or type(error).__name__
    if done is None or not partial.is_file():
        message = (
            f"{archive.name}: cannot be downloaded from Google Drive ({reason}); download it by "
            "hand"
        )
        raise ManualStepsError(message, _steps(source, archive))
    checksum = source.sha256 or source.md5
    if checksum and file_digest(partial, checksum) != checksum:
        partial.unlink()
        raise ManualStepsError(
            f"{archive.name}: the bytes from {source.address} have the wrong "
            f"{digest_name(checksum)} and were deleted; download it by hand",
            _steps(source, archive),
        )
    os.replace(partial, archive)


def _from_kaggle(source: Source, archive: Path) -> None:
    """Kaggle, through its own client, which unpacks what it fetches."""
    client = _kaggle_client()
    if client is None:
        steps = _steps(source, archive)
        steps.append(
            "or `pip install kagglehub` and give Kaggle's token (KAGGLE_API_TOKEN, or "
            "KAGGLE_USERNAME and KAGGLE_KEY, or ~/.kaggle/kaggle.json): then this command does it "
            "all"
        )
        raise ManualStepsError(
            f"{source.file}: Kaggle asks for an account; download it by hand", steps
        )
    cache = archive.parent / ".kaggle"  # on the same disk, so that files are moved, not copied
    try:
        with _environment({"KAGGLEHUB_CACHE": str(cache)}):
            fetched = Path(client.dataset_download(source.url))
    except Exception as error:  # its own, requests', and those of its parts
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        message = f"{source.file}: cannot be downloaded from Kaggle ({reason}); download it by hand"
        raise ManualStepsError(message, _steps(source, archive)) from error
    link = next((path for path in fetched.rglob("*") if path.is_symlink()), None)
    if link is not None:
        raise UserError(
            f"{link}: a link in a downloaded data set; delete {cache} and download "
            f"{source.file} by hand"
        )
    if source.unpack_to is not None:
        _marker(archive).write_text("downloaded")
    merge_folders(fetched, archive.parent / (source.unpack_to or "."))
    shutil.rmtree(cache, ignore_errors=True)


def _kaggle_client() -> Any:
    """The module ``kagglehub`` if it is installed and has credentials, else None."""
    try:
        import kagglehub
        from kagglehub.config import get_kaggle_credentials

        return kagglehub if get_kaggle_credentials() else None
    except (ImportError, ValueError):  # ValueError: a credentials file that is not one
        return None


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _by_hand(source: Source, archive: Path) -> None:
    raise ManualStepsError(
        f"{source.file}: no program may download it; do it by hand", _steps(source, archive)
    )


_FETCHERS = {"http": _from_web, "gdrive": _from_drive, "kaggle": _from_kaggle, "manual": _by_hand}


def _steps(source: Source, archive: Path) -> list[str]:
    """What a person does to bring one file."""
    checksum = source.sha256 or source.md5
    proof = f" ({digest_name(checksum)} {checksum})" if checksum else ""
    steps = [f"open {source.address} and download {source.file}{proof}"]
    if source.note:
        steps.append(f"note: {source.note}")
    folder = archive.parent
    if source.unpack_to is None and source.gives:
        steps.append(f"make {folder / source.gives} from it")
    else:
        steps.append(f"put it at {archive}")
    if source.unpack_to is not None:
        steps.append("run this command again, it unpacks the file")
    return steps
