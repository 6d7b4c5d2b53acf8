"""Drawing without replacement from a list whose items disappear, in logarithmic time."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sized


class Remaining:
    """Slots 0..N-1 of a list, less those removed, in order: a Fenwick tree of ones.

    ``sample`` makes the draws of ``random.sample`` on the list of what remains, without the O(N) of
    keeping that list.
    """

    def __init__(self, items: Sized) -> None:
        self._size = len(items)
        self._count = self._size
        self._tree = [node & -node for node in range(self._size + 1)]

    def __len__(self) -> int:
        return self._count

    def sample(self, count: int) -> list[int]:
        """``count`` different slots, drawn with python's global generator. Nothing is removed."""
        return [self._slot(rank) for rank in random.sample(range(self._count), count)]

    def remove(self, slots: Iterable[int]) -> None:
        """Take slots out."""
        for slot in slots:
            self._count -= 1
            node = slot + 1
            while node <= self._size:
                self._tree[node] -= 1
                node += node & -node

    def _slot(self, rank: int) -> int:
        """The slot that has ``rank`` remaining slots before it."""
        slot, step = 0, 1 << self._size.bit_length()
        while step := step >> 1:
            if slot + step <= self._size and self._tree[slot + step] <= rank:
                slot += step
                rank -= self._tree[slot]
        return slot
