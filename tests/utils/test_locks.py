"""Locks of files, and file systems that have none."""

from __future__ import annotations

import errno
import fcntl
import os

import pytest
from filelock import Timeout

from softcpt.utils.locks import file_lock


def test_a_lock_is_held_by_one(tmp_path):
    with file_lock(tmp_path / "a"), pytest.raises(Timeout):
        file_lock(tmp_path / "a").acquire(timeout=0)
    with file_lock(tmp_path / "a").acquire(timeout=0):
        pass


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_and_nobody_waits(tmp_path, monkeypatch, code):
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match=f"{tmp_path}/a") as caught:
        file_lock(tmp_path / "a")
    assert caught.value.errno == code
