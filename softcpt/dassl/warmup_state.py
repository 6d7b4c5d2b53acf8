"""Saves and restores a warm-up schedule as plain numbers.

Published Dassl pickles the inner scheduler, optimiser and all, so that a resumed run steps a copy
and the real optimiser keeps its last rate. Both engines save and restore the inner scheduler's own
state instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.optim.lr_scheduler import LRScheduler


def nested_state(scheduler: LRScheduler) -> dict[str, Any]:
    """The state of ``scheduler``, which holds another under ``successor``, without any object in
    it."""
    state = {key: value for key, value in vars(scheduler).items() if key != "optimizer"}
    return state | {"successor": _successor(scheduler).state_dict()}


def load_nested_state(scheduler: LRScheduler, state: Mapping[str, Any]) -> None:
    """Restore ``scheduler`` and, in place, its successor. Accepts a pickled successor, as older
    checkpoints hold."""
    inner = state["successor"]
    if isinstance(inner, LRScheduler):
        inner = inner.state_dict()
    _successor(scheduler).load_state_dict(inner)
    vars(scheduler).update({key: value for key, value in state.items() if key != "successor"})


def _successor(scheduler: LRScheduler) -> LRScheduler:
    successor: LRScheduler = vars(scheduler)["successor"]
    return successor
