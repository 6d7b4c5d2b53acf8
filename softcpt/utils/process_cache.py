"""Keeps what the runs of one process can share: things that depend on nothing but their key, and
are never changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

_kept: ContextVar[dict[str, OrderedDict[Hashable, Any]] | None] = ContextVar("kept", default=None)


@contextmanager
def process_cache() -> Iterator[None]:
    """Inside, :func:`cached` keeps what it makes."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def cached(kind: str, key: Hashable, make: Callable[[], T], most: int) -> T:
    """What was made for ``key`` before, if there is :func:`process_cache`, else ``make()``.

    Of a ``kind`` those ``most`` are kept that were asked for last.
    """
    kept = _kept.get()
    if kept is None:
        return make()
    mine = kept.setdefault(kind, OrderedDict())
    if key not in mine:
        mine[key] = make()
    mine.move_to_end(key)
    while len(mine) > most:
        mine.popitem(last=False)
    value: T = mine[key]
    return value
