"""Archives of strangers: unpacked whole or not at all, never outside the folder, never more than
fits."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

from tqdm import tqdm

from softcpt.errors import UserError
from softcpt.utils.download import make_folder

# Photographs hardly shrink; lists and annotations shrink to a twentieth.
MAX_RATIO = 100
MAX_FILES = 5_000_000  # four times ImageNet
_SMALL = 100_000_000  # bytes; a bomb below this does no harm

_DECOMPRESSORS: dict[bytes, Callable] = {
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


class BadArchive(UserError):
    """An archive that is damaged, of another kind, or not to be trusted: it will not get better.

    Attributes:
        fault: what is wrong, without the file and the remedy.
    """

    def __init__(self, archive: Path, fault: str, remedy: str) -> None:
        super().__init__(f"{archive}: {fault}; {remedy}")
        self.fault = fault


class _Member(NamedTuple):
    name: str  # as the archive has it, with "/" between folders
    kind: str  # "file", "folder", or a word for what is refused
    size: int  # bytes when unpacked, as declared
    open: Callable[[], BinaryIO]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar (plain, gz, bz2, xz) archive into ``folder``, beside what is there
    already.

    Everything is first written to a hidden folder inside ``folder`` and moved into place when all
    of it is good; a file that is there already is replaced. Modes and owners are not taken over.
    Names in zip archives that are not marked as UTF-8 are read as UTF-8 where they are, else as
    code page 437; in tar archives as UTF-8, else as Latin-1.

    Raises:
        BadArchive: the archive is damaged, of another kind, encrypted, holds a link, a device or a
            path that leads outside, or grows beyond :data:`MAX_RATIO` times its size or
            :data:`MAX_FILES`.
        UserError: the disk is too small, or ``folder`` cannot be written to.
    """
    make_folder(folder)
    stage = folder / f".{archive.name}.unpacking"
    shutil.rmtree(stage, ignore_errors=True)  # of a process that was killed
    try:
        stage.mkdir()
        if _begins_with(archive, *_ZIP):
            with zipfile.ZipFile(archive) as content:
                members = list(
                    _checked(
                        (_zip_member(content, info) for info in content.infolist()), archive, stage
                    )
                )
                _write(members, archive, sum(member.size for member, _ in members))
        else:
            _write(_checked(_members_of_tar(archive), archive, stage), archive)
        merge_folders(stage, folder)
    except _DAMAGE as error:
        raise _damaged(archive, folder, error) from error
    except OSError as error:
        if error.errno is None:  # from a decompressor
            raise _damaged(archive, folder, error) from error
        raise UserError(
            f"{archive}: not unpacked into {folder} ({error.strerror}); mend that and try again"
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


def _checked(
    members: Iterable[_Member], archive: Path, stage: Path
) -> Iterator[tuple[_Member, Path]]:
    """Members with the place that they are written to; stops at the first that is not to be
    written."""
    limit = max(MAX_RATIO * archive.stat().st_size, _SMALL)
    free = shutil.disk_usage(stage).free
    total = 0
    for count, member in enumerate(members, 1):
        parts = _safe_parts(archive, member)
        total += member.size
        if total > limit or count > MAX_FILES:
            raise _refused(
                archive, member, f"makes it more than {limit / 1e9:.1f} GB or {MAX_FILES:,} files"
            )
        if total > free:
            raise UserError(
                f"{archive}: needs more than the {free / 1e9:.1f} GB free in {stage.parent}; make "
                "room"
            )
        yield member, stage.joinpath(*parts)


def _write(
    members: Iterable[tuple[_Member, Path]], archive: Path, total: int | None = None
) -> None:
    with tqdm(
        total=total, unit="B", unit_scale=True, desc=f"unpacking {archive.name}", delay=1
    ) as bar:
        for member, path in members:
            folder = path if member.kind == "folder" else path.parent
            folder.mkdir(parents=True, exist_ok=True)
            if member.kind == "folder":
                continue
            with member.open() as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                if target.tell() != member.size:
                    raise EOFError(f"{member.name!r} ends too early")
            bar.update(member.size)


def _safe_parts(archive: Path, member: _Member) -> list[str]:
    """Folders and name of a member below the folder it is unpacked to."""
    if member.kind not in ("file", "folder"):
        raise _refused(archive, member, f"is a {member.kind}")
    if member.name.startswith("/") or PureWindowsPath(member.name).drive:
        raise _refused(archive, member, "is an absolute path")
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _refused(archive, member, "leads outside of the folder")
    return parts


def _zip_member(content: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    name = info.orig_filename.split("\0")[0]
    if not info.flag_bits & 0x800:  # not marked as UTF-8
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    name = name.replace("\\", "/")  # some Windows programs write these
    mode = info.external_attr >> 16
    kind = "folder" if name.endswith("/") else "file"
    if info.flag_bits & 1:
        kind = "file behind a password"
    elif stat.S_ISLNK(mode):
        kind = "link"
    elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = "device"
    return _Member(
        name, kind, 0 if kind == "folder" else info.file_size, lambda: content.open(info)
    )


class _LastRead:
    """A file that remembers what was read last: tarfile ends silently at a damaged header, taking
    it for the end."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.last = file, b""
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        self.last = self.file.read(size)
        return self.last


def _members_of_tar(archive: Path) -> Iterator[_Member]:
    decompressor = next(
        (opener for magic, opener in _DECOMPRESSORS.items() if _begins_with(archive, magic)), None
    )
    with (decompressor or open)(archive, "rb") as raw:
        file = _LastRead(raw)
        with tarfile.open(fileobj=file, mode="r:") as content:
            while (info := content.next()) is not None:
                content.members.clear()  # else all of them are kept
                yield _tar_member(content, info)
        # A compressed stream has an end of its own, and old programs leave the blocks of zeros
        # away.
        if file.last.strip(b"\0") or not (file.last or decompressor):
            raise EOFError("it ends too early")


def _tar_member(content: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    name = info.name
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        name = name.encode("utf-8", "surrogateescape").decode("latin-1")
    link = info.issym() or info.islnk()
    kind = "file" if info.isreg() else "folder" if info.isdir() else "link" if link else "device"
    return _Member(
        name, kind, info.size if kind == "file" else 0, lambda: content.extractfile(info)
    )


def _begins_with(archive: Path, *magic: bytes) -> bool:
    with open(archive, "rb") as file:
        return file.read(8).startswith(magic)


def _damaged(archive: Path, folder: Path, error: Exception) -> BadArchive:
    for magic, name in _FOREIGN.items():
        if _begins_with(archive, magic):
            return BadArchive(
                archive,
                f"{name} archives are not read",
                f"unpack it with another program into {folder}",
            )
    reason = " ".join(str(error).split()) or type(error).__name__
    return BadArchive(
        archive, f"damaged, or no zip or tar archive ({reason})", "delete it and get it again"
    )


def _refused(archive: Path, member: _Member, reason: str) -> BadArchive:
    return BadArchive(
        archive, f"not unpacked, {member.name!r} {reason}", "get the archive from another source"
    )
