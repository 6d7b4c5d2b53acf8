"""Files are written whole or not at all, and what cannot be written is one clear line."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import pytest

from softcpt.errors import UserError
from softcpt.utils import leftovers
from softcpt.utils.files import atomic_write, cache_folder, write_json


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(path: Path, error: Exception) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error


def test_a_file_is_replaced_only_when_the_new_one_is_whole(tmp_path):
    write_json(tmp_path / "deep/a.json", {"a": 1})
    with pytest.raises(KeyError):
        write_half(tmp_path / "deep/a.json", KeyError())
    assert json.loads((tmp_path / "deep/a.json").read_text()) == {"a": 1}
    assert listed(tmp_path / "deep") == ["a.json"]


def test_a_folder_in_the_files_place_is_named(tmp_path):
    (tmp_path / "a.json/inner").mkdir(parents=True)
    with pytest.raises(UserError, match=rf"^{tmp_path}/a.json: cannot be written \("):
        write_json(tmp_path / "a.json", {})
    assert listed(tmp_path) == ["a.json"]


def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "out").symlink_to("/proc/self/fd/1")
    for name in ("pipe", "out"):
        with pytest.raises(UserError, match=f"^{tmp_path}/{name}: it is a device or a pipe"):
            write_json(tmp_path / name, {})
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "out").is_symlink()


def test_a_file_that_another_writes_meanwhile_is_no_device(tmp_path, monkeypatch):
    place, real = tmp_path / "a.json", os.stat

    def looked_at(path, *args, **options):
        try:
            return real(path, *args, **options)
        finally:  # whoever looks again finds it
            if os.fspath(path) == str(place):
                place.write_text("of another")

    monkeypatch.setattr(os, "stat", looked_at)
    write_json(place, {"a": 1})
    monkeypatch.undo()
    assert json.loads(place.read_text()) == {"a": 1}


@pytest.mark.parametrize("inner", ["b.json", "deep/b.json"])
def test_a_file_in_the_folders_place_is_named(tmp_path, inner):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(UserError, match=rf"^{tmp_path}/a/{inner}: cannot be written \("):
        write_json(tmp_path / "a" / inner, {})


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(UserError, match=r"a.json: cannot be written \(No space left on device\)"):
        write_half(tmp_path / "a.json", full)
    assert listed(tmp_path) == []


def test_an_error_of_another_file_is_passed_on(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.json"):
        (tmp_path / "elsewhere/b.json").read_text()


def test_the_cache_is_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SOFTCPT_CACHE")
    assert cache_folder() == Path.home() / ".cache/softcpt"


def killed_while_writing(path: Path) -> None:
    """A process that begins to write ``path`` and is killed."""
    child = os.fork()
    if not child:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_there(tmp_path):
    killed_while_writing(tmp_path / "a.json")
    (tmp_path / ".weights.pt.0a1b2c3d.part").write_text("a download that goes on")
    assert len(listed(tmp_path)) == 2
    write_json(tmp_path / "b.json", {})
    assert listed(tmp_path) == [".weights.pt.0a1b2c3d.part", "b.json"]


def test_what_a_living_process_writes_stays(tmp_path):
    with atomic_write(tmp_path / "a.json") as temporary:
        temporary.write_text("whole")
        leftovers._cleared.clear()
        write_json(tmp_path / "b.json", {})
        assert temporary.name in listed(tmp_path)
    assert listed(tmp_path) == ["a.json", "b.json"]
    assert (tmp_path / "a.json").read_text() == "whole"


def test_a_file_has_the_rights_that_the_user_gives_new_files(tmp_path):
    write_json(tmp_path / "a.json", {})
    (tmp_path / "b").touch()
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "b").stat().st_mode
