"""Downloads from a server that drops connections, lies about ranges and serves other bytes."""

from __future__ import annotations

import errno
import hashlib
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from softcpt.errors import UserError
from softcpt.utils import download as module
from softcpt.utils.download import download
from tests.helpers.web import Server, serving

PAYLOAD = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(PAYLOAD).hexdigest()
MD5 = hashlib.md5(PAYLOAD).hexdigest()


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    with serving(PAYLOAD, monkeypatch) as server:
        yield server


def fetch(server: Server, folder: Path, checksum: str | None = SHA256) -> bytes:
    return download(f"{server.url}/data.zip", folder / "data.zip", checksum).read_bytes()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_dropped_download_continues_where_it_stopped(server, tmp_path):
    server.drops = 1
    assert fetch(server, tmp_path) == PAYLOAD
    assert server.ranges == [None, "bytes=150000-"]
    assert files(tmp_path) == {"data.zip"}


def test_a_download_given_up_continues_in_the_next_run(server, tmp_path):
    server.drops = 5
    with pytest.raises(UserError, match="dropped again and again"):
        fetch(server, tmp_path)
    assert "data.zip" not in files(tmp_path)
    server.ranges.clear()
    assert fetch(server, tmp_path) == PAYLOAD
    assert server.ranges == ["bytes=290625-"]


def test_drops_are_forgiven_without_end_while_blocks_arrive(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 1000)
    server.drops = 8
    assert fetch(server, tmp_path) == PAYLOAD
    assert len(server.ranges) == 9


@pytest.mark.parametrize("checksum", [SHA256, MD5], ids=["sha256", "md5"])
def test_the_right_checksum_lets_bytes_through_and_a_wrong_one_does_not(server, tmp_path, checksum):
    assert fetch(server, tmp_path, checksum) == PAYLOAD
    (tmp_path / "data.zip").unlink()
    with pytest.raises(UserError, match=f"wrong {'sha256' if checksum == SHA256 else 'md5'}"):
        fetch(server, tmp_path, "0" * len(checksum))
    assert files(tmp_path) == set()


def test_without_a_checksum_a_download_continues_if_the_server_says_that_nothing_changed(
    server, tmp_path
):
    server.drops, server.etag = 5, '"1"'
    with pytest.raises(UserError):
        fetch(server, tmp_path, None)
    assert fetch(server, tmp_path, None) == PAYLOAD
    assert server.ranges[-1] == "bytes=290625-"
    assert files(tmp_path) == {"data.zip"}


def test_without_a_checksum_a_file_that_changed_is_fetched_from_its_beginning(server, tmp_path):
    server.drops, server.etag = 5, '"1"'
    with pytest.raises(UserError):
        fetch(server, tmp_path, None)
    server.content, server.etag = PAYLOAD[::-1], '"2"'
    assert fetch(server, tmp_path, None) == PAYLOAD[::-1]


def test_without_a_checksum_and_a_version_nothing_is_glued_together(server, tmp_path):
    server.drops = 1
    assert fetch(server, tmp_path, None) == PAYLOAD
    assert server.ranges == [None, None]


def test_a_server_that_ignores_ranges_sends_everything_again(server, tmp_path):
    server.drops, server.ranges_served = 1, "no"
    assert fetch(server, tmp_path) == PAYLOAD
    assert server.ranges == [None, "bytes=150000-"]


def test_a_server_that_sends_another_range_is_asked_for_everything(server, tmp_path):
    server.drops, server.ranges_served = 1, "wrong"
    assert fetch(server, tmp_path) == PAYLOAD
    assert server.ranges == [None, "bytes=150000-", None]


def test_a_partial_file_longer_than_the_servers_is_started_again(server, tmp_path):
    (tmp_path / f".data.zip.{SHA256[:8]}.part").write_bytes(PAYLOAD + PAYLOAD)
    assert fetch(server, tmp_path) == PAYLOAD


def test_a_whole_partial_file_is_not_fetched_again(server, tmp_path):
    (tmp_path / f".data.zip.{SHA256[:8]}.part").write_bytes(PAYLOAD)
    assert fetch(server, tmp_path) == PAYLOAD
    assert server.ranges == ["bytes=300000-"]


def test_errors_of_the_server_are_waited_out(server, tmp_path):
    server.errors = [500, 503, 429]
    assert fetch(server, tmp_path) == PAYLOAD


def test_a_file_that_is_not_there_is_asked_for_once(server, tmp_path):
    server.errors = [404]
    with pytest.raises(UserError, match="HTTP 404") as error:
        fetch(server, tmp_path)
    assert (
        len(server.ranges) == 1
        and str(tmp_path / "data.zip") in str(error.value)
        and "\n" not in str(error.value)
    )


def test_a_web_page_in_place_of_the_file_is_refused(server, tmp_path):
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(UserError, match="sends a web page"):
        fetch(server, tmp_path, None)
    assert files(tmp_path) == set()


def test_a_file_that_does_not_fit_is_not_begun(server, tmp_path, monkeypatch):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    )
    with pytest.raises(UserError, match="make room"):
        fetch(server, tmp_path)
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    "error, said", [(errno.EIO, "cannot be written"), (errno.ENOSPC, "disk is full")]
)
def test_a_disk_that_fails_is_named_and_what_has_arrived_is_kept(
    server, tmp_path, monkeypatch, error, said
):
    class Half:
        """A file that takes half of what is written, and fails."""

        def __init__(self, path, mode):
            self.file = open(path, mode)  # noqa: SIM115 (it is one itself)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, block):
            self.file.write(block[:150_000])
            raise OSError(error, "it fails")

    with monkeypatch.context() as patch:
        patch.setattr(module, "open", Half, raising=False)
        with pytest.raises(UserError, match=said):
            fetch(server, tmp_path)
    assert fetch(server, tmp_path) == PAYLOAD
    assert server.ranges == [None, "bytes=150000-"]


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        fetch(server, tmp_path / "file" / "below")


def test_two_downloads_at_once_fetch_once(server, tmp_path):
    threads = [threading.Thread(target=fetch, args=(server, tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "data.zip").read_bytes() == PAYLOAD
    assert server.ranges == [None]
