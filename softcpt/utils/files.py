"""Writes files whole or not at all, and says where the user's cache is."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from softcpt.errors import UserError
from softcpt.utils.leftovers import open_temporary

_LONGEST_NAME = 80  # bytes; of the 255 others need some

# A list of numbers as json.dumps indents it.
_NUMBERS = re.compile(r"\[\n([-+\d.,eE\s]+)\]")


def cache_folder() -> Path:
    """Where files are kept that can be made again: ``$SOFTCPT_CACHE``, or ``~/.cache/softcpt``."""
    return Path(os.environ.get("SOFTCPT_CACHE") or "~/.cache/softcpt").expanduser()


def name_for_file(text: str, joint: str = "-") -> str:
    """``text`` as a part of a file's name: letters and digits, ``joint`` for all else. Of what is
    long the beginning, and a digest: file systems take 255 bytes."""
    name = "".join(letter if letter.isalnum() else joint for letter in text).strip(joint)
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore") + joint + digest


@contextmanager
def atomic_write(path: str | os.PathLike[str], flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is flushed to disk and renamed onto
    ``path``.

    A process killed at any point leaves the old file or the new one, never a part. Two processes
    may write the same path at once: the last to finish wins, and each file is whole. The temporary
    file of a killed process is removed by the next one that writes into the folder. Without
    ``flush`` only the machine's own end can leave less: for many files that can be made again.

    Raises:
        UserError: the file cannot be written: no room, no right, a folder or a device of its name.
            Errors of other files that are read meanwhile are passed on as they are.
    """
    path = Path(path)
    _refuse_device(path)
    temporary, lock = path, None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, lock = open_temporary(path)
        yield temporary
        if flush:
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None or not _concerns(error, path, temporary):
            raise
        raise cannot_write(path, error) from error
    finally:
        if lock is not None:
            with suppress(FileNotFoundError, NotADirectoryError):
                temporary.unlink()
            os.close(lock)


def _refuse_device(path: Path) -> None:
    """A device, a pipe or a socket would not be written to, but replaced by a file: /dev/null, for
    all programs of the machine."""
    # Each is asked once, for another process may be writing the same file.
    mode, target = stat.S_IFREG, ""
    with suppress(OSError):  # there is nothing
        mode = path.stat().st_mode
    with suppress(OSError):  # it is no link
        target = os.readlink(path)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or target.startswith("/proc/"):
        raise UserError(f"{path}: it is a device or a pipe; choose the name of a file")


@contextmanager
def file_for_torch(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for one of torch's writers, which makes an error of its own, without the
    system's reason, of a write that fails.

    Raises:
        OSError: the write's own error.
    """
    with open(path, "wb") as file:
        watched = _WatchedFile(file)
        try:
            yield cast(BinaryIO, watched)
        except Exception as error:
            if watched.error is None:
                raise
            raise watched.error from error


class _WatchedFile(io.BufferedIOBase):
    """Remembers the first error of a write."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, content: Any, /) -> int:
        """Write it."""
        try:
            return self.file.write(content)
        except OSError as error:
            self.error = self.error or error
            raise

    def seekable(self) -> bool:
        """As the file is."""
        return self.file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As the file does."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """As the file does."""
        return self.file.tell()


def cannot_write(path: Path, error: OSError) -> UserError:
    """The one line that is said of a file or folder that cannot be written."""
    reason = error.strerror or str(error)
    remedy = "make room, give yourself access, or choose another folder"
    return UserError(
        f"{path}: cannot be written ({reason}); {remedy} (data sets: --root, weights: "
        "SOFTCPT_WEIGHTS, caches: SOFTCPT_CACHE)"
    )


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all; lists of numbers stand on one line.

    Raises:
        UserError: as :func:`atomic_write`.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json_text(value), encoding="utf-8")


def json_text(value: Any) -> str:
    """``value`` as indented JSON; lists of numbers stand on one line."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # No text of JSON holds a line break, so this finds none inside a text.
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def _concerns(error: OSError, path: Path, temporary: Path) -> bool:
    """Whether ``error`` is of one of the two or of a folder above; a full disk names no file."""
    if error.filename is None:
        return True
    culprit = Path(os.fsdecode(error.filename))
    return culprit in (path, temporary) or culprit in path.parents
