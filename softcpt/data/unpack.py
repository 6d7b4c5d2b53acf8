"""Unpacks downloaded archives: whole or not at all, never outside the folder, never more than
fits.

The archives are read by ``zipfile``, and by ``tarfile`` with its filter "data". Added is what these
lack: zip files leave names out or change them where they lead outside, neither counts what it
writes, and ``tarfile`` takes a damaged header for the end.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import IO, Any

from tqdm import tqdm

from softcpt.errors import UserError, reason_of
from softcpt.utils.download import make_folder

# Photographs hardly shrink; lists and annotations shrink to a twentieth.
MAX_RATIO = 100
MAX_FILES = 5_000_000  # four times ImageNet
_SMALL = 100_000_000  # bytes; a bomb below this does no harm

_DECOMPRESSORS: dict[bytes, Callable[..., IO[Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_FOREIGN = {b"Rar!": "RAR", b"7z\xbc\xaf": "7-Zip"}
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    ValueError,
)


class BadArchiveError(UserError):
    """An archive that is damaged, of another kind, or not to be trusted: it will not get better.

    Attributes:
        fault: what is wrong, without the file and the remedy.
    """

    def __init__(self, archive: Path, fault: str, remedy: str) -> None:
        super().__init__(f"{archive}: {fault}; {remedy}")
        self.fault = fault


def unpack(archive: Path, folder: Path, is_left_out: Callable[[str], bool] | None = None) -> None:
    """Unpack a zip or tar (plain, gz, bz2, xz) archive into ``folder``, beside what is there
    already.

    Everything is first written to a hidden folder inside ``folder`` and moved into place when all
    of it is good; a file that is there already is replaced. Modes and owners are not taken over.
    Names in zip archives that are not marked as UTF-8 are read as UTF-8 where they are, else as
    code page 437; in tar archives as UTF-8, else as Latin-1.

    Args:
        archive: the file.
        folder: where its content goes.
        is_left_out: says of the path of a member whether it stays away; None: none does.

    Raises:
        BadArchiveError: the archive is damaged, of another kind, encrypted, holds a link, a device
            or a path that leads outside, or grows beyond :data:`MAX_RATIO` times its size or
            :data:`MAX_FILES`.
        UserError: the disk is too small, or ``folder`` cannot be written.
    """
    make_folder(folder)
    stage = folder / f".{archive.name}.unpacking"
    shutil.rmtree(stage, ignore_errors=True)  # of a process that was killed
    try:
        stage.mkdir()
        extract = _extract_zip if _begins_with(archive, *_ZIP) else _extract_tar
        extract(archive, stage, is_left_out or _none)
        merge_folders(stage, folder)
    except _DAMAGE as error:
        raise _damaged(archive, folder, error) from error
    except OSError as error:
        if error.errno is None:  # from a decompressor
            raise _damaged(archive, folder, error) from error
        raise UserError(
            f"{archive}: not unpacked into {folder} ({error.strerror}); correct that and try again"
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def merge_folders(source: Path, target: Path) -> None:
    """Move everything in ``source`` into ``target``; folders that are in both are joined, files are
    replaced."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in list(os.scandir(source)):
        place = target / entry.name
        if place.is_dir() and entry.is_dir(follow_symlinks=False):
            merge_folders(Path(entry.path), place)
        elif place.is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{place} is a folder, and is to become a file")
        else:
            shutil.move(entry.path, place)


def _none(_: str) -> bool:
    return False


class _Guard:
    """Lets members of ``archive`` pass that may be written to ``stage``, and counts them."""

    def __init__(self, archive: Path, stage: Path) -> None:
        self.archive, self.stage = archive, stage
        self.limit = max(MAX_RATIO * archive.stat().st_size, _SMALL)
        self.free = shutil.disk_usage(stage).free
        self.files = self.bytes = 0

    def admit(self, name: str, kind: str, size: int) -> None:
        """Raise UserError unless a member may be written.

        Args:
            name: its path, with "/" between folders.
            kind: "file", "folder", or a word for what is refused.
            size: bytes when unpacked, as declared.
        """
        if kind not in ("file", "folder"):
            raise self._refused(name, f"is a {kind}")
        if name.startswith("/") or PureWindowsPath(name).drive:
            raise self._refused(name, "is an absolute path")
        if ".." in name.split("/"):
            raise self._refused(name, "leads outside of the folder")
        self.files += 1
        self.bytes += size
        if self.bytes > self.limit or self.files > MAX_FILES:
            most = f"{self.limit / 1e9:.1f} GB or {MAX_FILES:,} files"
            raise self._refused(name, f"makes it more than {most}")
        if self.bytes > self.free:
            raise UserError(
                f"{self.archive}: needs more than the {self.free / 1e6:,.1f} MB free in "
                f"{self.stage.parent}; make room"
            )

    def _refused(self, name: str, reason: str) -> BadArchiveError:
        return BadArchiveError(
            self.archive, f"not unpacked, {name!r} {reason}", "get the archive from another source"
        )


def _extract_zip(archive: Path, stage: Path, is_left_out: Callable[[str], bool]) -> None:
    guard = _Guard(archive, stage)
    with zipfile.ZipFile(archive) as content:
        for info in content.infolist():  # all of them before the first is written
            info.filename = _zip_name(info)
            guard.admit(info.filename, _zip_kind(info), info.file_size)
        with _progress(archive, guard.bytes) as bar:
            for info in content.infolist():
                if is_left_out(info.filename):
                    continue
                content.extract(info, stage)
                bar.update(info.file_size)


def _zip_name(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename.split("\0")[0]
    if not info.flag_bits & 0x800:  # not marked as UTF-8
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")  # some Windows programs write these


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if info.flag_bits & 1:
        return "file behind a password"
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device"
    return "folder" if info.is_dir() else "file"


def _extract_tar(archive: Path, stage: Path, is_left_out: Callable[[str], bool]) -> None:
    guard = _Guard(archive, stage)
    open_stream = next(
        (opener for magic, opener in _DECOMPRESSORS.items() if _begins_with(archive, magic)), None
    )
    with (open_stream or open)(archive, "rb") as stream, _progress(archive, None) as bar:
        file = _LastRead(stream)
        with tarfile.open(fileobj=file, mode="r:") as content:
            # Pythons before 3.10.12 and 3.11.4 lack it; the guard refuses all that it does.
            content.extraction_filter = getattr(tarfile, "data_filter", None)
            while (info := content.next()) is not None:
                content.members = []  # type: ignore[attr-defined]  # else all of them are kept
                info.name = _tar_name(info)
                guard.admit(info.name, _tar_kind(info), info.size)
                if not is_left_out(info.name):
                    content.extract(info, stage, set_attrs=False)
                bar.update(info.size)
        # A compressed stream has an end of its own, and old programs leave the blocks of zeros
        # away.
        if file.last.strip(b"\0") or not (file.last or open_stream):
            raise EOFError("it ends too early")


class _LastRead(io.BufferedIOBase):
    """A file that remembers what was read last: tarfile ends silently at a damaged header, taking
    it for the end."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.last = file, b""

    def read(self, size: int | None = -1, /) -> bytes:
        self.last = self.file.read(-1 if size is None else size)
        return self.last

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()


def _tar_name(info: tarfile.TarInfo) -> str:
    try:
        info.name.encode("utf-8")
    except UnicodeEncodeError:
        return info.name.encode("utf-8", "surrogateescape").decode("latin-1")
    return info.name


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.isreg():
        return "file"
    if info.isdir():
        return "folder"
    return "link" if info.issym() or info.islnk() else "device"


def _progress(archive: Path, total: int | None) -> tqdm:
    return tqdm(total=total, unit="B", unit_scale=True, desc=f"unpacking {archive.name}", delay=1)


def _begins_with(archive: Path, *magic: bytes) -> bool:
    with open(archive, "rb") as file:
        return file.read(8).startswith(magic)


def _damaged(archive: Path, folder: Path, error: Exception) -> BadArchiveError:
    for magic, name in _FOREIGN.items():
        if _begins_with(archive, magic):
            return BadArchiveError(
                archive,
                f"{name} archives are not read",
                f"unpack it with another program into {folder}",
            )
    reason = reason_of(error)
    return BadArchiveError(
        archive, f"damaged, or no zip or tar archive ({reason})", "delete it and get it again"
    )
