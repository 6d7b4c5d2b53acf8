"""Brings a file of a data set from the web, Google Drive or Kaggle, or says what a person does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from softcpt.data.download_record import check_arrival, remember
from softcpt.data.source import Source
from softcpt.data.unpack import merge_folders
from softcpt.data.zip_member import read_member
from softcpt.errors import UserError, reason_of
from softcpt.utils.download import digest_name, download, file_digest
from softcpt.utils.files import atomic_write

# Of this machine: nobody stands between.
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ManualStepsError(UserError):
    """A file that a person has to download; ``steps`` are what is to be done, in order."""

    def __init__(self, message: str, steps: list[str]) -> None:
        super().__init__(message)
        self.steps = steps


class ByHandError(ManualStepsError):
    """The same of one that no program can fetch, as it is."""


@dataclass(frozen=True)
class Wanted:
    """A file that is to be brought.

    Attributes:
        source: where it is from.
        folder: the data set's.
    """

    source: Source
    folder: Path

    @property
    def path(self) -> Path:
        """Where it is put."""
        return self.folder / self.source.file

    def arrived(self, file: Path) -> None:
        """Check its bytes, which lie at a temporary name."""
        check_arrival(self.source, self.folder, file)


def bring(wanted: Wanted) -> None:
    """Put the file where it belongs; Kaggle's client puts what is in an archive there.

    Raises:
        ManualStepsError: it does not come, with what a person does about it.
        UserError: it is another file than the first time.
    """
    _FETCHERS[wanted.source.kind](wanted)


def _from_web(wanted: Wanted) -> None:
    source, checksum = wanted.source, wanted.source.sha256 or wanted.source.md5
    _refuse_unproved(wanted)
    try:
        if source.member:
            with atomic_write(wanted.path) as temporary:
                temporary.write_bytes(read_member(source.url, source.member))
                _refuse_other_bytes(wanted, temporary)
                wanted.arrived(temporary)
        else:
            download(source.url, wanted.path, checksum, wanted.arrived)
    except UserError as error:
        raise ManualStepsError(str(error), steps(wanted)) from error


def _refuse_unproved(wanted: Wanted) -> None:
    """Anybody on the way can change what comes over plain http; a checksum shows it."""
    source, address = wanted.source, urlsplit(wanted.source.url)
    proved = source.sha256 or source.md5 or address.hostname in _LOOPBACK
    if address.scheme == "http" and not proved:
        message = f"{source.file}: {source.url} is plain http, and no checksum of it is published"
        raise ByHandError(f"{message}; download it by hand", steps(wanted))


def _from_drive(wanted: Wanted) -> None:
    """Google Drive; gdown follows the pages between the link and the file."""
    import gdown

    source, archive = wanted.source, wanted.path
    partial = archive.with_name(f".{archive.name}.gdrive")
    reason = "the drive refuses, perhaps for today only"
    try:
        done = gdown.download(id=source.url, output=str(partial), quiet=False, resume=True)
    except Exception as error:  # noqa: BLE001 (gdown's, requests', and what a changed page causes)
        done, reason = None, reason_of(error)
    if done is None or not partial.is_file():
        message = (
            f"{archive.name}: cannot be downloaded from Google Drive ({reason}); download it by "
            "hand"
        )
        raise ManualStepsError(message, steps(wanted))
    try:
        _refuse_other_bytes(wanted, partial)
        wanted.arrived(partial)
    except UserError:
        partial.unlink()
        raise
    os.replace(partial, archive)


def _refuse_other_bytes(wanted: Wanted, file: Path) -> None:
    """Raise ManualStepsError if a file that came has another checksum than its publisher's."""
    source = wanted.source
    checksum = source.sha256 or source.md5
    if checksum and file_digest(file, checksum) != checksum:
        raise ManualStepsError(
            f"{source.file}: the bytes from {source.address} have the wrong "
            f"{digest_name(checksum)} and were deleted; download it by hand",
            steps(wanted),
        )


def _from_kaggle(wanted: Wanted) -> None:
    """Kaggle, through its own client, which unpacks what it fetches."""
    source, archive, client = wanted.source, wanted.path, _kaggle_client()
    if client is None:
        token = (
            "or `pip install kagglehub` and give Kaggle's token (KAGGLE_API_TOKEN, or "
            "KAGGLE_USERNAME and KAGGLE_KEY, or ~/.kaggle/kaggle.json): then this command does it "
            "all"
        )
        message = f"{source.file}: Kaggle asks for an account; download it by hand"
        raise ByHandError(message, [*steps(wanted), token])
    cache = archive.parent / ".kaggle"  # on the same disk, so that files are moved, not copied
    try:
        with _environment({"KAGGLEHUB_CACHE": str(cache)}):
            fetched = Path(client.dataset_download(source.url))
    except Exception as error:  # its own, requests', and those of its parts
        reason = reason_of(error)
        message = f"{source.file}: cannot be downloaded from Kaggle ({reason}); download it by hand"
        raise ManualStepsError(message, steps(wanted)) from error
    link = next((path for path in fetched.rglob("*") if path.is_symlink()), None)
    if link is not None:
        raise UserError(
            f"{link}: a link in a downloaded data set; delete {cache} and download "
            f"{source.file} by hand"
        )
    if fetched.parent.name == "versions":  # as its client lays them out
        remember(source, wanted.folder, f"version {fetched.name}")
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


def _by_hand(wanted: Wanted) -> None:
    message = f"{wanted.source.file}: no program may download it; do it by hand"
    raise ByHandError(message, steps(wanted))


_FETCHERS = {"http": _from_web, "gdrive": _from_drive, "kaggle": _from_kaggle, "manual": _by_hand}


def steps(wanted: Wanted) -> list[str]:
    """What a person does to bring one file."""
    source, archive = wanted.source, wanted.path
    checksum = source.sha256 or source.md5
    proof = f" ({digest_name(checksum)} {checksum})" if checksum else ""
    what = f"{source.member} in it" if source.member else source.file
    todo = [f"open {source.address} and download {what}{proof}"]
    if source.note:
        todo.append(f"note: {source.note}")
    folder = archive.parent
    if source.unpack_to is None and source.gives:
        todo.append(f"make {folder / source.gives} from it")
    else:
        todo.append(f"put it at {archive}")
    if source.unpack_to is not None:
        todo.append("run this command again, it unpacks the file")
    return todo
