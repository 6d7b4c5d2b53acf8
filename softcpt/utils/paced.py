"""Does something again and again, but not so often that it would be felt."""

from __future__ import annotations

import time
from collections.abc import Callable


class Paced:
    """Spends at most a ``share`` of the time on an action: it is left out while the last one was
    too long for the time since."""

    def __init__(self, share: float = 1 / 20) -> None:
        self.share = share
        self._last, self._duration = time.monotonic(), 0.0

    def __call__(self, action: Callable[[], None], always: bool = False) -> None:
        """Do ``action`` if it is time for it; ``always``: in any case."""
        start = time.monotonic()
        if always or self.share * (start - self._last) >= self._duration:
            action()
            self._last = time.monotonic()
            self._duration = self._last - start
