"""Where the feature bank's entries lie, and the lock of one."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from softcpt.utils.files import cache_folder
from softcpt.utils.locks import file_lock


def default_folder() -> Path:
    """``$SOFTCPT_CACHE/features``, or ``~/.cache/softcpt/features``."""
    return cache_folder() / "features"


def entry_lock(folder: Path) -> FileLock:
    """The lock that whoever writes to an entry's folder holds."""
    locks = folder.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return file_lock(locks / folder.name)
