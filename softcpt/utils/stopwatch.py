"""Measures where a run's time goes, section by section."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Seconds per section; what is in no section is "other"."""

    def __init__(self) -> None:
        self.restart({})

    def restart(self, before: Mapping[str, float]) -> None:
        """Go on from what :meth:`seconds` gave ``before``."""
        before = dict(before)
        self._started = time.perf_counter() - sum(before.values())
        before.pop("other", None)
        self._sections = before

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Count the time of the block for ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._sections[name] = self._sections.get(name, 0.0) + time.perf_counter() - start

    def seconds(self) -> dict[str, float]:
        """Section -> seconds, with "other"; they add up to the wall time."""
        total = time.perf_counter() - self._started
        return {**self._sections, "other": max(0.0, total - sum(self._sections.values()))}
