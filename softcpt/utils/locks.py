"""Locks of files, by which processes find each other: the system frees them when their holder
dies."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock

try:
    import fcntl
except ImportError:  # not on Windows, whose locks every file system has
    fcntl = None  # type: ignore[assignment]


def file_lock(path: str | os.PathLike[str]) -> FileLock:
    """The lock of the file ``path``, which is made; it is not held yet.

    Where the file system has no locks, versions of filelock wait for ever, take another kind of
    lock that a killed process leaves behind, or name no file: so it is asked here first.

    Raises:
        OSError: the file cannot be made, or its file system has no locks.
    """
    if fcntl is not None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody holds it
            pass
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            os.close(descriptor)
    return FileLock(Path(path))
