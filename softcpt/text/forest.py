"""Prompts' suffixes as trees, cut into chunks: the arithmetic of packing.py, on arrays.

Sorted, suffixes of a common stem are neighbours: walking them in order walks the tree depth first,
and the stem is the last path's beginning. At a full chunk the path begins again: at most one stem
per chunk is computed twice, and the cheapest cuts are a bin-packing problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from softcpt.text.prompt_list import Symbols

Ints = NDArray[np.int64]

# Behind the symbols of a row: before every symbol, so that what ends earlier sorts first.
NOTHING = np.iinfo(np.int64).min


def rows_of(sequences: Symbols) -> Ints:
    """(N, D) symbols of N sequences, :data:`NOTHING` behind a shorter one's own."""
    lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
    rows = np.full((len(sequences), int(lengths.max(initial=0))), NOTHING)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = np.fromiter(
        chain.from_iterable(sequences), np.int64, int(lengths.sum())
    )
    return rows


class PackedTokens(NamedTuple):
    """n chunks of S tokens; the arrays of :class:`softcpt.text.packing.Chunks`, context vectors
    as symbols below 0."""

    symbols: Ints
    positions: Ints
    visible: NDArray[np.bool_]
    lengths: Ints
    group: Ints
    ends: Ints


@dataclass(frozen=True)
class Forest:
    """The suffixes of N prompts, group by group in the order of a depth-first walk.

    Attributes:
        order: (N,) which prompt each is.
        symbols: (N, D) their symbols, :data:`NOTHING` behind.
        group: (N,) what a chunk holds prompts of one of: numbers that only grow.
        lengths: (N,) symbols of each.
        common: (N,) how many leading ones it shares with the one before it in its group.
    """

    order: Ints
    symbols: Ints
    group: Ints
    lengths: Ints
    common: Ints

    @classmethod
    def of(cls, suffixes: Ints, groups: Ints, share_stems: bool = True) -> Forest:
        """Of ``suffixes`` (N, D) of prompts of ``groups`` (N,); without ``share_stems`` they share
        nothing."""
        order = np.lexsort((*suffixes.T[::-1], groups))
        symbols, group = suffixes[order], groups[order]
        common = np.zeros(len(order), dtype=np.int64)
        if share_stems:
            same = (symbols[1:] == symbols[:-1]) & (symbols[1:] != NOTHING)
            same &= (group[1:] == group[:-1])[:, None]
            common[1:] = np.logical_and.accumulate(same, axis=1).sum(axis=1)
        return cls(order, symbols, group, (symbols != NOTHING).sum(axis=1), common)

    @property
    def longest(self) -> int:
        """Symbols of the longest suffix."""
        return int(self.lengths.max())

    @cached_property
    def _tokens(self) -> Ints:
        """(N + 1,) tokens of the first i prompts, stems counted once."""
        return np.concatenate([[0], np.cumsum(self.lengths - self.common)])

    @cached_property
    def _group_ends(self) -> Ints:
        """(N,) where the prompts of each one's group end."""
        return np.searchsorted(self.group, self.group, side="right")

    def starts(self, size: int) -> Ints:
        """(n,) the first prompt of every chunk, where chunks take ``size`` tokens and each as many
        prompts as go into it."""
        # From prompt i on, without its stem, up to j: tokens[j] - tokens[i] + common[i].
        room = size + self._tokens[:-1] - self.common
        fits = np.searchsorted(self._tokens, room, side="right") - 1
        after: list[int] = np.minimum(fits, self._group_ends).tolist()
        found, place = [], 0
        while place < len(after):
            found.append(place)
            place = after[place]
        return np.array(found, dtype=np.int64)

    def count(self, size: int) -> tuple[int, int]:
        """Chunks of ``size`` tokens, and tokens in them."""
        starts = self.starts(size)
        return len(starts), int(self._tokens[-1] + self.common[starts].sum())

    def pack(self, size: int, first_position: int) -> PackedTokens:
        """The suffixes in chunks of ``size`` tokens; the first symbol of each has
        ``first_position`` in its prompt."""
        starts, rows = self.starts(size), np.arange(len(self.order))
        chunk = np.searchsorted(starts, rows, side="right") - 1
        stem = self.common.copy()
        stem[starts] = 0
        new = self.lengths - stem
        before = np.cumsum(new) - new  # tokens of all chunks so far
        first_cell = before - before[starts][chunk]
        # Of every token its suffix, its depth there, and its cell among all.
        owner = np.repeat(rows, new)
        depth = np.arange(len(owner)) - (before - stem)[owner]
        cell = (chunk * size + first_cell - stem)[owner] + depth
        shape = (len(starts), size)
        symbols, positions = np.zeros(shape, np.int64), np.full(shape, first_position)
        symbols.flat[cell] = self.symbols[owner, depth]
        positions.flat[cell] = first_position + depth
        places = self._places(stem, first_cell)
        ends = np.empty(len(rows), dtype=np.int64)
        ends[self.order] = chunk * size + places[rows, self.lengths - 1]
        return PackedTokens(
            symbols,
            positions,
            _visible(shape, places, owner, depth, cell),
            np.add.reduceat(new, starts),
            self.group[starts],
            ends,
        )

    def _places(self, stem: Ints, first_cell: Ints) -> Ints:
        """(N, D) where in its chunk the symbols of every suffix stand: those of its stem with a
        suffix before it, the last one whose own stem is no deeper."""
        depths = np.arange(self.symbols.shape[1])
        own = np.where(stem[:, None] <= depths, np.arange(len(stem))[:, None], 0)
        source = np.maximum.accumulate(own, axis=0)
        return (first_cell - stem)[source] + depths


def _visible(
    shape: tuple[int, int], places: Ints, owner: Ints, depth: Ints, cell: Ints
) -> NDArray[np.bool_]:
    """(n, S, S) which tokens of its chunk each one attends to: itself and its ancestors."""
    n, size = shape
    visible = np.zeros((n, size, size), dtype=bool)
    # Padding sees itself: a softmax over nothing is NaN, and stays NaN times a gradient of zero.
    visible[:, np.arange(size), np.arange(size)] = True
    rows = visible.reshape(n * size, size)
    for above in range(places.shape[1]):
        below = depth > above
        rows[cell[below], places[owner[below], above]] = True
    return visible
