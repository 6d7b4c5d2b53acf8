"""Measures where a run's time goes, section by section.

A GPU is given work and does it later: the host's clock would count it for whichever section waits
for it. There each section is timed by events that the GPU passes on its way, read at an epoch's
end; nobody waits for them before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch


class Stopwatch:
    """Seconds per section; what is in no section is "other"."""

    def __init__(self) -> None:
        self._event: Callable[[], Any] | None = None
        self._inside = False
        self.restart({})

    def restart(self, before: Mapping[str, float]) -> None:
        """Go on from what :meth:`seconds` gave ``before``."""
        before = dict(before)
        self._started = time.perf_counter() - sum(before.values())
        before.pop("other", None)
        self._sections = before
        self._passing: list[tuple[str, Any, Any]] = []

    def follow(self, device: torch.device) -> None:
        """From now on sections are timed on ``device``; a CPU does all at once."""
        self._event = _events_of(device)

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Count the time of the block for ``name``; inside another section it is the other's."""
        if self._inside:
            yield
            return
        self._inside = True
        before, start = time.perf_counter(), self._event and self._event()
        try:
            yield
        finally:
            self._inside = False
            if self._event is None:
                self._add(name, time.perf_counter() - before)
            else:
                self._passing.append((name, start, self._event()))

    def settle(self) -> None:
        """Wait until the device has passed the ends of all sections, and count them."""
        passing, self._passing = self._passing, []
        if passing:
            passing[-1][2].synchronize()
        for name, start, end in passing:
            self._add(name, start.elapsed_time(end) / 1000)

    def seconds(self) -> dict[str, float]:
        """Section -> seconds, with "other"; they add up to the wall time."""
        self.settle()
        total = time.perf_counter() - self._started
        return {**self._sections, "other": max(0.0, total - sum(self._sections.values()))}

    def _add(self, name: str, seconds: float) -> None:
        self._sections[name] = self._sections.get(name, 0.0) + seconds


def _events_of(device: torch.device) -> Callable[[], Any] | None:
    """Makes an event that ``device`` passes when all that it was given before is done; None: the
    host's clock does."""
    module: Any = getattr(torch, device.type, None)
    if device.type in ("cpu", "mps") or not hasattr(module, "Event"):
        return None

    def event() -> Any:
        made = module.Event(enable_timing=True)
        made.record(module.current_stream(device))
        return made

    return event
