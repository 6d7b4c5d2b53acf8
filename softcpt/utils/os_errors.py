"""What the system's refusal of a file means, and what to do about it, in one line."""

from __future__ import annotations

import errno
import os

_ROOM = "make room, or choose a folder on another disk"
_ACCESS = "give yourself access, or choose another folder"
_NAME = "choose another name or folder"
_DISK = "check the disk or its connection, then run the same command again"
_LOCKS = "this file system has no locks: choose a folder on another one (SOFTCPT_CACHE for caches)"

REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EACCES: _ACCESS,
    errno.EPERM: _ACCESS,
    errno.EROFS: _ACCESS,
    errno.ENOTDIR: "a file lies where a folder is needed: choose another folder",
    errno.EISDIR: "a folder lies where a file is needed: choose another name",
    errno.EEXIST: "a file lies where a folder is needed: choose another folder",
    errno.ENOENT: "check the path",
    errno.ENAMETOOLONG: _NAME,
    errno.EINVAL: _NAME,
    errno.ELOOP: "a link leads back to itself: fix it",
    errno.EIO: _DISK,
    errno.ESTALE: _DISK,
    errno.ENOLCK: _LOCKS,
    errno.ENOSYS: _LOCKS,
    errno.EOPNOTSUPP: _LOCKS,
    errno.EMFILE: "too many files are open: raise `ulimit -n`, or give fewer workers",
    errno.ENFILE: "too many files are open on this machine: close programs",
}


def described(error: OSError) -> str:
    """What is said of an error that the system gave: path, reason, remedy."""
    remedy = REMEDIES.get(error.errno or 0, "check the path and the disk")
    reason = error.strerror or str(error) or type(error).__name__
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if name]
    place = " -> ".join(_short(name) for name in names) or "a file"
    return f"{place}: {reason}; {remedy}"


def _short(name: str) -> str:
    """A path in one line: its middle is left out where it is very long."""
    shown = name if name.isprintable() else repr(name)[1:-1]
    return shown if len(shown) <= 300 else f"{shown[:140]} ... {shown[-140:]}"
