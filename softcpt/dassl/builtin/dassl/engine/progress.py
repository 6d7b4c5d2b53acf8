"""Progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from tqdm import tqdm


def progress(iterable: Iterable, description: str) -> tqdm:
    """``iterable`` with a bar on stderr that leaves when it is done; in a file it is redrawn seldom."""
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(iterable, desc=description, leave=False, mininterval=interval, file=sys.stderr)
