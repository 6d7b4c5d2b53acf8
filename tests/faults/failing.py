"""A disk that fails, or a process that dies: the n-th call of one of the system's functions raises
an error, or is the last that the process makes."""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from typing import Any

FUNCTIONS = ("open", "write", "replace", "rename", "mkdir", "fsync", "flock")
ERRORS = ("ENOSPC", "EIO", "EACCES", "ENOLCK", "EDQUOT")
NO_LOCKS = ("ENOLCK", "ENOSYS", "EOPNOTSUPP")  # of a file system that has none at all
KILLED = "killed"
TOO_LARGE = (
    "EFBIG"  # no file may grow beyond a size, whoever writes it: Python, torch or matplotlib
)
# Before whose calls a process is killed.
MOMENTS = (*FUNCTIONS, "unlink", "rmdir")


class Fault:
    """Counts the calls of a function that concern files below a folder, and fails in one of them.

    Args:
        name: of the function.
        error: of errno; KILLED: the process is killed before the call.
        call: which one fails, counted from 1; 0: none.
        folder: what lies elsewhere never fails.
        once: a file that is made when it fails; of several processes that have such a fault, one
            does. "": each does.
        for_good: whether all calls behind it fail, too.
    """

    def __init__(
        self,
        name: str,
        error: str,
        call: int,
        folder: str,
        once: str = "",
        for_good: bool = False,
    ) -> None:
        self.name, self.error, self.call = name, error, call
        self.folder, self.once, self.calls = folder, once, 0
        self.for_good = for_good

    def pass_by(self, place: Any) -> None:
        """Count a call that concerns ``place``, a path or a descriptor.

        Raises:
            OSError: it is the call that is to fail.
        """
        path = _path(place)
        if not path.startswith(self.folder):
            return
        self.calls += 1
        if not self._is_met():
            return
        if self.error == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        named = path if isinstance(place, (str, bytes, os.PathLike)) else None
        number = getattr(errno, self.error)
        raise OSError(number, os.strerror(number), named)

    def _is_met(self) -> bool:
        if self.for_good:
            return 0 < self.call <= self.calls
        return self.calls == self.call and self._is_first()

    def _is_first(self) -> bool:
        """Whether no other process failed."""
        if not self.once:
            return True
        try:
            os.mkdir(self.once)
        except FileExistsError:
            return False
        return True

    def install(self) -> None:
        """Put it in front of the system's function."""
        {
            "open": self._install_open,
            "write": self._install_write,
            "flock": self._install_flock,
        }.get(self.name, lambda: self._before(os, self.name))()

    def _before(self, module: Any, name: str) -> None:
        original = getattr(module, name)

        def call(place: Any, *more: Any, **named: Any) -> Any:
            self.pass_by(place)
            return original(place, *more, **named)

        setattr(module, name, call)

    def _install_flock(self) -> None:
        import fcntl

        self._before(fcntl, "flock")

    def _install_open(self) -> None:
        """Files that are opened for writing."""
        opened, descriptor = io.open, os.open

        def open_file(place: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            if set(mode) & set("wax+"):
                self.pass_by(place)
            return opened(place, mode, *more, **named)

        def open_descriptor(place: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR):
                self.pass_by(place)
            return descriptor(place, flags, *more, **named)

        builtins.open = io.open = open_file  # type: ignore[assignment]
        os.open = open_descriptor

    def _install_write(self) -> None:
        """Writes through files that Python opened."""
        opened, fault = io.open, self

        def open_file(place: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            file = opened(place, mode, *more, **named)
            return _Watched(file, fault, place) if set(mode) & set("wax+") else file

        builtins.open = io.open = open_file  # type: ignore[assignment]


class _Watched:
    """A file whose writes are counted."""

    def __init__(self, file: Any, fault: Fault, place: Any) -> None:
        self._file, self._fault, self._place = file, fault, place

    def write(self, content: Any) -> Any:
        self._fault.pass_by(os.fspath(self._place) if not isinstance(self._place, int) else 0)
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Any:
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._file.__exit__(*error)

    def __iter__(self) -> Any:
        return iter(self._file)


def _path(place: Any) -> str:
    """Of a path or a descriptor; "" where it has none."""
    try:
        if isinstance(place, int):
            return os.readlink(f"/proc/self/fd/{place}")
        if hasattr(place, "fileno"):
            return os.readlink(f"/proc/self/fd/{place.fileno()}")
        return os.path.abspath(os.fsdecode(place))
    except (OSError, TypeError, ValueError):
        return ""
