"""Archives: good ones arrive whole, bad ones leave nothing behind."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from softcpt.data import unpack as module
from softcpt.data.unpack import unpack
from softcpt.errors import UserError

CONTENT = {
    "images/red/1.jpg": b"one",
    "images/red/2 b.jpg": b"two" * 1000,
    "images/blue/1.jpg": b"",
    "lists/a": b"a",
}


def zip_archive(path: Path, content: dict[str, bytes] = CONTENT) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def tar_member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar_archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for info, data in members or [tar_member(name, data) for name, data in CONTENT.items()]:
            archive.addfile(info, io.BytesIO(data))
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_refused(archive: Path, folder: Path, reason: str) -> None:
    """One line that names the archive and the reason, and nothing unpacked, inside the folder or
    out of it."""
    before = {path for path in folder.parent.rglob("*") if path != folder}
    with pytest.raises(UserError) as error:
        unpack(archive, folder)
    message = str(error.value)
    assert reason in message and str(archive) in message and "\n" not in message
    assert {path for path in folder.parent.rglob("*") if path != folder} == before


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_archive_is_unpacked_whatever_its_name_says(tmp_path, mode):
    unpack(tar_archive(tmp_path / "archive", mode=mode), tmp_path / "out")
    assert files(tmp_path / "out") == CONTENT


def test_a_zip_archive_is_unpacked(tmp_path):
    unpack(zip_archive(tmp_path / "archive"), tmp_path / "out")
    assert files(tmp_path / "out") == CONTENT


def test_what_is_there_already_stays_and_what_the_archive_has_replaces_it(tmp_path):
    out = tmp_path / "out"
    (out / "images/red").mkdir(parents=True)
    (out / "images/red/1.jpg").write_bytes(b"half of")
    (out / "images/red/mine.jpg").write_bytes(b"mine")
    unpack(zip_archive(tmp_path / "a.zip"), out)
    assert files(out) == {**CONTENT, "images/red/mine.jpg": b"mine"}


def test_what_a_killed_process_left_is_cleared(tmp_path):
    (tmp_path / "out/.a.zip.unpacking/images").mkdir(parents=True)
    (tmp_path / "out/.a.zip.unpacking/images/half.jpg").write_bytes(b"half")
    unpack(zip_archive(tmp_path / "a.zip"), tmp_path / "out")
    assert files(tmp_path / "out") == CONTENT


OUTSIDE = ["../evil", "images/../../evil", "..\\evil", "a\\..\\..\\evil"]
ABSOLUTE = ["/evil", "C:\\evil", "c:evil", "\\\\host\\share\\evil"]


@pytest.mark.parametrize("name", OUTSIDE + ABSOLUTE)
def test_a_zip_archive_cannot_write_outside(tmp_path, name):
    archive = zip_archive(tmp_path / "a.zip", {**CONTENT, name: b"evil"})
    assert_refused(
        archive, tmp_path / "out", "leads outside" if name in OUTSIDE else "is an absolute path"
    )


@pytest.mark.parametrize(
    "name", ["../evil", "images/../../evil", "/evil", "//evil", "./../evil", "C:/evil"]
)
def test_a_tar_archive_cannot_write_outside(tmp_path, name):
    archive = tar_archive(
        tmp_path / "a.tar", tar_member("images/1.jpg", b"one"), tar_member(name, b"evil")
    )
    assert_refused(
        archive, tmp_path / "out", "leads outside" if ".." in name else "is an absolute path"
    )


@pytest.mark.parametrize(
    "kind, word",
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
    ],
)
def test_links_and_devices_in_a_tar_archive_are_refused(tmp_path, kind, word):
    link = tar_member("images", type=kind, linkname="/etc")
    archive = tar_archive(tmp_path / "a.tar", link, tar_member("images/x", b"x"))
    assert_refused(archive, tmp_path / "out", f"is a {word}")


@pytest.mark.parametrize(
    "mode, word", [(stat.S_IFLNK, "link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "device")]
)
def test_links_and_devices_in_a_zip_archive_are_refused(tmp_path, mode, word):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("images")
        info.create_system, info.external_attr = 3, (mode | 0o777) << 16
        archive.writestr(info, "/etc")
    assert_refused(tmp_path / "a.zip", tmp_path / "out", f"is a {word}")


def test_modes_and_owners_are_not_taken_over(tmp_path):
    unpack(
        tar_archive(tmp_path / "a.tar", tar_member("run", b"x", mode=0o4777, uid=12345)),
        tmp_path / "out",
    )
    assert not (tmp_path / "out/run").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)
    assert (tmp_path / "out/run").stat().st_uid != 12345


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_grows_a_hundredfold_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(module, "_SMALL", 100_000)
    bomb = bytes(2_000_000)
    if kind == "zip":
        archive = zip_archive(tmp_path / "a", {"bomb": bomb})
    else:
        archive = tar_archive(tmp_path / "a", tar_member("bomb", bomb), mode="w:gz")
    assert_refused(archive, tmp_path / "out", "makes it more than")


def test_a_sparse_file_counts_with_its_whole_size(tmp_path):
    info, _ = tar_member("disk.img")
    info.size = 10**12  # declared; the header alone is there
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert_refused(tmp_path / "a.tar", tmp_path / "out", "makes it more than")


@pytest.mark.parametrize("make", [zip_archive, tar_archive])
def test_an_archive_that_does_not_fit_is_refused(tmp_path, monkeypatch, make):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    )
    assert_refused(make(tmp_path / "a"), tmp_path / "out", "make room")


def test_an_archive_of_endlessly_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILES", 3)
    assert_refused(zip_archive(tmp_path / "a.zip"), tmp_path / "out", "3 files")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_tar_archive_is_damaged_wherever_it_ends(tmp_path, mode, share):
    members = [tar_member(f"{i}.jpg", bytes(range(256)) * 8) for i in range(20)]
    archive = tar_archive(tmp_path / "a", *members, mode=mode)
    whole = (
        archive.read_bytes()[:-10240] if mode == "w" else archive.read_bytes()
    )  # without the blocks of zeros
    archive.write_bytes(whole[: int(len(whole) * share)])
    assert_refused(archive, tmp_path / "out", "damaged")


def test_a_tar_archive_that_ends_between_two_files_is_damaged(tmp_path):
    archive = tar_archive(tmp_path / "a", tar_member("1", bytes(512)), tar_member("2", bytes(512)))
    archive.write_bytes(archive.read_bytes()[:1024])
    assert_refused(archive, tmp_path / "out", "damaged")


def test_a_tar_archive_with_a_damaged_header_in_its_middle_is_not_taken_for_its_beginning(tmp_path):
    archive = tar_archive(tmp_path / "a", tar_member("1", bytes(512)), tar_member("2", bytes(512)))
    damaged = bytearray(archive.read_bytes())
    damaged[1024 + 150] ^= 255
    archive.write_bytes(damaged)
    assert_refused(archive, tmp_path / "out", "damaged")


def test_a_compressed_tar_archive_of_an_old_program_has_no_blocks_of_zeros(tmp_path):
    whole = tar_archive(tmp_path / "a", tar_member("1", bytes(512))).read_bytes()
    (tmp_path / "a.gz").write_bytes(gzip.compress(whole[:1024]))
    unpack(tmp_path / "a.gz", tmp_path / "out")
    assert files(tmp_path / "out") == {"1": bytes(512)}


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_a_zip_archive_that_is_cut_or_spoiled_is_damaged(tmp_path, place):
    archive = zip_archive(
        tmp_path / "a.zip", {f"{i}.jpg": bytes(range(256)) * 8 for i in range(20)}
    )
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * place)])
    assert_refused(archive, tmp_path / "out", "damaged")
    spoiled = bytearray(whole)
    spoiled[50] ^= 255  # in the first file's bytes
    archive.write_bytes(spoiled)
    assert_refused(archive, tmp_path / "out", "damaged")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>log in</html>",
        bytes(range(256)) * 9,
        gzip.compress(b"no tar", mtime=0),
        bz2.compress(b"no tar"),
        lzma.compress(b"no tar"),
    ],
)
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    assert_refused(tmp_path / "a.zip", tmp_path / "out", "no zip or tar archive")


def test_a_rar_archive_is_left_to_another_program(tmp_path):
    (tmp_path / "a.rar").write_bytes(b"Rar!\x1a\x07\x00" + bytes(100))
    assert_refused(
        tmp_path / "a.rar",
        tmp_path / "out",
        f"unpack it with another program into {tmp_path / 'out'}",
    )


def test_a_password_is_named(tmp_path):
    archive = zip_archive(tmp_path / "a.zip", {"a": b"a"})
    locked = bytearray(archive.read_bytes())
    locked[6] |= 1  # the flag in the file's header
    locked[locked.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    archive.write_bytes(locked)
    assert_refused(archive, tmp_path / "out", "password")


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "out/lists/a").mkdir(parents=True)
    with pytest.raises(UserError, match="is a folder"):
        unpack(zip_archive(tmp_path / "a.zip"), tmp_path / "out")


def zip_with_raw_name(path: Path, name: bytes) -> Path:
    """A zip archive of a program that writes names in its own encoding and does not say so."""
    placeholder = "x" * len(name)
    zip_archive(path, {placeholder: b"here"})
    path.write_bytes(path.read_bytes().replace(placeholder.encode(), name))
    return path


@pytest.mark.parametrize(
    "raw, name",
    [("ñ.jpg".encode(), "ñ.jpg"), ("猫.jpg".encode(), "猫.jpg"), (b"caf\x82.jpg", "café.jpg")],
)
def test_names_in_a_zip_archive_are_read_as_utf8_or_else_as_code_page_437(tmp_path, raw, name):
    unpack(zip_with_raw_name(tmp_path / "a.zip", raw), tmp_path / "out")
    assert files(tmp_path / "out") == {name: b"here"}


def test_backslashes_of_windows_programs_separate_folders(tmp_path):
    unpack(zip_with_raw_name(tmp_path / "a.zip", b"red\\a.jpg"), tmp_path / "out")
    assert files(tmp_path / "out") == {"red/a.jpg": b"here"}


def test_names_in_a_tar_archive_that_are_not_utf8_can_be_printed(tmp_path):
    for name in ("caf\udce9.jpg", "猫.jpg"):
        info, data = tar_member(name, b"here")
        tar_archive(tmp_path / f"{len(name)}.tar", (info, data))
        unpack(tmp_path / f"{len(name)}.tar", tmp_path / "out")
    assert files(tmp_path / "out") == {"café.jpg": b"here", "猫.jpg": b"here"}
