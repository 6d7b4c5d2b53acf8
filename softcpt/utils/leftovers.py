"""Temporary files: each is locked while its process lives, so that what a killed one left is known
and removed by the next process that writes into the folder."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import uuid
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows: what is left there stays
    fcntl = None  # type: ignore[assignment]

# Of another host's file nobody here can say whether it is in use: not every network's file system
# shares its locks. Names of downloads, which go on, are of another form.
HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]
_OWN = re.compile(rf"\..*\.{HOST}-[0-9a-f]{{8}}\.part", re.DOTALL)

_cleared: set[tuple[str, int]] = set()


def open_temporary(path: Path) -> tuple[Path, int]:
    """Make an empty temporary file beside ``path``; returns it and the descriptor of its lock.

    Raises:
        OSError: it cannot be made.
    """
    _clear_once(path.parent)
    while True:
        name = path.with_name(f".{path.name}.{HOST}-{uuid.uuid4().hex[:8]}.part")
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        _lock(descriptor)
        # Between the two lines above another process may have taken it for a leftover.
        if _is_at(descriptor, name):
            return name, descriptor
        os.close(descriptor)


def _clear_once(folder: Path) -> None:
    """Remove what killed processes of this host left in ``folder``, the first time it is asked."""
    key = (os.fspath(folder.absolute()), os.getpid())
    if fcntl is None or key in _cleared:
        return
    _cleared.add(key)
    found: list[Path] = []
    with suppress(PermissionError), os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if _OWN.fullmatch(entry.name)]
    for path in found:
        with suppress(OSError):  # another process removes it now, or it is not ours to remove
            _remove_if_left(path)


def _remove_if_left(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        if _lock(descriptor) and _is_at(descriptor, path):
            path.unlink()
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether the file's lock is now held; a file system without locks has none to give."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    return False
