"""Where files are written that belong to a data set: in its folder, or in the user's cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from softcpt.utils.files import cache_folder


def writable_path(folder: Path, name: str) -> Path:
    """Where ``name`` of the data set in ``folder`` is, or is to be written.

    It is ``folder/name`` if that exists or can be written. Data sets often lie on disks that are
    shared and read-only: then it is a path below ``data`` in the cache
    (:func:`softcpt.utils.files.cache_folder`) that belongs to this folder alone.
    """
    own = folder / name
    if own.exists() or _is_writable(own.parent):
        return own
    mark = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    return cache_folder() / "data" / f"{folder.name}-{mark}" / name


def _is_writable(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)
