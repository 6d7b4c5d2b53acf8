"""Small files that belong to a data set: in its folder, or in the user's cache where that folder is
read-only."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def side_file(folder: Path, name: str) -> Path:
    """Where ``name`` of the data set in ``folder`` is, or is to be written.

    It is ``folder/name`` if that exists or can be written; else a path below
    ``$SOFTCPT_CACHE/data`` (default ``~/.cache/softcpt/data``) that belongs to this folder alone.
    """
    own = folder / name
    if own.exists() or _writable(own.parent):
        return own
    cache = Path(os.environ.get("SOFTCPT_CACHE") or "~/.cache/softcpt").expanduser()
    mark = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    return cache / "data" / f"{folder.name}-{mark}" / name


def _writable(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)
