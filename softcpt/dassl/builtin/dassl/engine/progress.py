"""Shows progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress(iterable: Iterable[Any], description: str, total: int | None = None) -> Any:
    """``iterable`` with a bar on stderr that leaves when it is done; in a file it is redrawn
    seldom.

    ``total`` is its length, where it does not know it itself.
    """
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(
        iterable, desc=description, total=total, leave=False, mininterval=interval, file=sys.stderr
    )
