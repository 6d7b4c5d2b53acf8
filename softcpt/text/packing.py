"""Which tokens have to be computed: prompts as a forest, cut into rectangular chunks.

A prompt is a sequence of symbols: a token id (>= 0), or ``slot(i)`` (< 0) for the i-th vector of
its context. Prompts of one group share a context. Because the tower is causal, what a token
computes depends only on the symbols before it, so prompts that begin alike share that beginning:

* the *prefix* ``[SOS] context`` is computed once per group, and
* the rest of a group's prompts form a tree (a trie): "tomato leaf with" is computed once for all
  its classes. The tree is packed depth first into chunks of S tokens. A token sees its ancestors,
  all in its own chunk, and the prefix. Where a chunk ends inside a branch, the branch's stem is
  repeated in the next one (a few tokens).

Two prompts with equal symbols end at the same token: classes of the same name cost nothing. Shared
prefixes with gradients are known from language-model training (Prefix Grouper, arXiv 2506.05433).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from softcpt.text.prompt_list import PromptList

Suffix = tuple[int, ...]

# Chunk lengths tried. Longer chunks repeat fewer stems, shorter ones waste less attention and
# padding.
CHUNK_SIZES = (8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 80, 96, 128)


def slot(index: int) -> int:
    """The symbol of context vector ``index`` (0-based)."""
    return -1 - index


@dataclass(frozen=True)
class Chunks:
    """n chunks of S tokens, and where each of the N prompts ends.

    Attributes:
        tokens: (n, S) token ids; 0 where a context vector stands, and in padding.
        slots: (n, S) row of the context vector, counted over all groups' contexts laid end to end;
            -1 elsewhere.
        positions: (n, S) position of each token in its prompt.
        visible: (n, S, S) bool, [i, j]: token i attends to token j of its chunk (itself or an
            ancestor).
        lengths: (n,) tokens in use; what is behind them is padding.
        group: (n,) the group whose prefix the chunk's tokens attend to.
        ends: (N,) index into the n * S tokens of each prompt's EOS.
    """

    tokens: Tensor
    slots: Tensor
    positions: Tensor
    visible: Tensor
    lengths: Tensor
    group: Tensor
    ends: Tensor

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @property
    def size(self) -> int:
        """S: tokens in a chunk."""
        return self.tokens.shape[1]

    def select(self, prompts: Tensor) -> tuple[Chunks, Tensor]:
        """Only the chunks that hold an end of ``prompts`` (N',), and which chunks they are
        (n',)."""
        ends = self.ends[prompts]
        kept, rank = torch.unique(ends // self.size, return_inverse=True)
        return Chunks(
            self.tokens[kept],
            self.slots[kept],
            self.positions[kept],
            self.visible[kept],
            self.lengths[kept],
            self.group[kept],
            rank * self.size + ends % self.size,
        ), kept

    def renumber(self, rank: Tensor, n_ctx: int, shared: bool) -> Chunks:
        """The same for contexts given only for some groups: group g becomes ``rank[g]``."""
        slots = torch.where(
            self.slots >= 0,
            rank[self.slots // max(n_ctx, 1)] * n_ctx + self.slots % max(n_ctx, 1),
            -1,
        )
        return replace(self, slots=slots, group=rank[self.group] if shared else self.group)

    def repeat(self, copies: int, num_groups: int, n_ctx: int, shared: bool) -> Chunks:
        """The same prompts ``copies`` times, the i-th with the i-th copy of all groups'
        contexts."""
        n = len(self)
        copy = torch.arange(copies, device=self.ends.device).repeat_interleave(n)
        slots = self.slots.repeat(copies, 1)
        ends = self.ends + torch.arange(copies, device=self.ends.device)[:, None] * (n * self.size)
        return Chunks(
            tokens=self.tokens.repeat(copies, 1),
            slots=torch.where(slots >= 0, slots + copy[:, None] * (num_groups * n_ctx), -1),
            positions=self.positions.repeat(copies, 1),
            visible=self.visible.repeat(copies, 1, 1),
            lengths=self.lengths.repeat(copies),
            group=self.group.repeat(copies) + (copy * num_groups if shared else 0),
            ends=ends.flatten(),
        )


class PackedPrompts(PromptList):
    """The static part of encoding a list of prompts: built once, used in every step.

    Args:
        prompts: symbols of each prompt, SOS first, EOS last.
        groups: group of each prompt (default: all 0); groups are numbered from 0 without gaps.
        n_ctx: L, vectors per context.
        width: d of the tower, for the cost model.
        share_prefix: True / False forces the prefix to be computed once per group or with the tree;
            None lets the cheaper one win (contexts of single classes are cheaper inside the tree).
        share_stems: False gives every prompt a stem of its own: for measuring what the tree saves.
    """

    def __init__(
        self,
        prompts: Sequence[Sequence[int]],
        groups: Sequence[int] | None = None,
        n_ctx: int = 0,
        width: int = 512,
        share_prefix: bool | None = None,
        share_stems: bool = True,
    ) -> None:
        super().__init__(prompts, groups, n_ctx)
        self._shared_lengths = _shared_lengths if share_stems else _nothing_shared
        # A shared prefix costs its own tokens once per group, and splits the tree at the groups'
        # borders. With a context per class there is nothing to share, and SOS alone is cheaper.
        choices = (True, False) if share_prefix is None else (share_prefix,)
        plan = min((self._plan(shared, width) for shared in choices), key=lambda plan: plan.cost)
        self.shared, self.prefix, self.size = plan.shared, plan.prefix, plan.size
        self._groups = [
            (members, self._pack([plan.suffixes[i] for i in members])) for members in plan.members
        ]

    def _plan(self, shared: bool, width: int) -> _Plan:
        prefix = self._common_prefix() if shared else self.prompts[0][:1]
        suffixes = self._suffixes(len(prefix))
        members = self._members(shared)
        lengths = []
        for group in members:
            ordered = sorted(suffixes[i] for i in group)
            lengths.append(([len(suffix) for suffix in ordered], self._shared_lengths(ordered)))
        size, cost = _best_chunk_size(lengths, len(prefix), width)
        if shared:
            cost += self.num_groups * len(prefix) * 24 * width**2
        return _Plan(cost, shared, prefix, suffixes, members, size)

    def _pack(self, suffixes: list[Suffix]) -> _PackedGroup:
        return _pack(suffixes, len(self.prefix), self.size, self._shared_lengths)

    @property
    def prefix_slots(self) -> int:
        """How many context vectors stand in the prefix."""
        return len(self.prefix) - 1

    @property
    def num_tokens(self) -> int:
        """Tokens that one encoding of all prompts computes, prefixes included."""
        prefixes = self.num_groups * len(self.prefix) if self.shared else 0
        return prefixes + int(self.chunks.lengths.sum())

    @cached_property
    def chunks(self) -> Chunks:
        """All prompts packed; ``group`` is 0 everywhere where the prefix is not shared."""
        groups = [group for _, group in self._groups]
        counts = np.array([len(group.symbols) for group in groups])
        offsets = np.concatenate([[0], np.cumsum(counts)[:-1]]) * self.size
        symbols = np.concatenate([group.symbols for group in groups])
        ends = np.empty(len(self.prompts), dtype=np.int64)
        for (members, group), offset in zip(self._groups, offsets):
            ends[members] = group.ends + offset
        arrays = (
            np.maximum(symbols, 0),
            np.where(symbols < 0, -1 - symbols, -1),
            np.concatenate([group.positions for group in groups]),
            np.concatenate([group.visible for group in groups]),
            np.concatenate([group.lengths for group in groups]),
            np.repeat(np.arange(len(groups)), counts),
            ends,
        )
        return Chunks(*map(torch.from_numpy, arrays))

    def _members(self, shared: bool) -> list[np.ndarray]:
        if not shared:
            return [np.arange(len(self.prompts))]
        return [np.flatnonzero(self.groups == group) for group in range(self.num_groups)]

    def _common_prefix(self) -> tuple[int, ...]:
        """SOS and the context vectors that come first in every prompt."""
        length = 1
        while all(len(p) > length and p[length] == slot(length - 1) for p in self.prompts):
            length += 1
        return self.prompts[0][:length]

    def _suffixes(self, prefix: int) -> list[Suffix]:
        """What stands behind the prefix, with slots numbered over all groups' contexts.

        Slots of two groups are different symbols then, so the tree never merges what different
        contexts make different.
        """
        suffixes = []
        for prompt, group in zip(self.prompts, self.groups):
            first = int(group) * self.n_ctx
            suffixes.append(tuple(s if s >= 0 else s - first for s in prompt[prefix:]))
        return suffixes


class _Plan(NamedTuple):
    """One way to divide the prompts into prefix and suffixes, and its arithmetic per layer."""

    cost: float
    shared: bool
    prefix: tuple[int, ...]
    suffixes: list[Suffix]
    members: list[np.ndarray]
    size: int


@dataclass(frozen=True)
class _PackedGroup:
    """The chunks of the prompts that share a prefix; see :class:`Chunks` for the arrays."""

    symbols: np.ndarray
    positions: np.ndarray
    visible: np.ndarray
    lengths: np.ndarray
    ends: np.ndarray


def _shared_lengths(ordered: Sequence[Suffix]) -> list[int]:
    """How many leading symbols each sequence shares with the one before it."""
    shared = [0]
    for before, after in pairwise(ordered):
        length = 0
        while length < min(len(before), len(after)) and before[length] == after[length]:
            length += 1
        shared.append(length)
    return shared


def _nothing_shared(ordered: Sequence[Suffix]) -> list[int]:
    return [0] * len(ordered)


def _count(lengths: Sequence[int], shared: Sequence[int], size: int) -> tuple[int, int]:
    """Chunks, and tokens in them, that greedy packing makes."""
    chunks, used, tokens = 1, 0, 0
    for length, common in zip(lengths, shared):
        new = length - (common if used else 0)
        if used + new > size:
            chunks, used, new = chunks + 1, 0, length
        used += new
        tokens += new
    return chunks, tokens


def _best_chunk_size(
    groups: Sequence[tuple[Sequence[int], Sequence[int]]], prefix: int, width: int
) -> tuple[int, float]:
    """The chunk length of least arithmetic, and that arithmetic per layer (linear layers and
    attention).

    ``groups``: of each group, the lengths of its sorted suffixes and how much each shares with the
    one before it.
    """
    # A prompt must fit into one chunk: its tokens attend to ancestors in their own chunk only.
    longest = max(max(lengths) for lengths, _ in groups)
    sizes = sorted({max(size, longest) for size in CHUNK_SIZES})
    costs = []
    for size in sizes:
        counts = [_count(lengths, shared, size) for lengths, shared in groups]
        chunks = sum(group_chunks for group_chunks, _ in counts)
        tokens = sum(group_tokens for _, group_tokens in counts)
        # Linear layers see the tokens, attention the padded chunks; its small products run at about
        # a third of the rate.
        costs.append(tokens * 24 * width**2 + chunks * size * 3 * 4 * width * (prefix + size))
    best = min(range(len(sizes)), key=costs.__getitem__)
    return sizes[best], costs[best]


def _pack(
    suffixes: Sequence[Suffix],
    first_position: int,
    size: int,
    shared_lengths: Callable[[Sequence[Suffix]], list[int]],
) -> _PackedGroup:
    """Pack one group's suffixes depth first; ``ends`` is in the order given."""
    # Sorted, prompts of a common stem are neighbours: walking them in order walks the tree depth
    # first, and the stem is the last path's beginning. At a full chunk the path begins again: at
    # most one stem per chunk is computed twice, and the cheapest cuts are a bin-packing problem.
    order = sorted(range(len(suffixes)), key=lambda i: suffixes[i])
    ordered = [suffixes[i] for i in order]
    common = shared_lengths(ordered)
    n, _ = _count([len(s) for s in ordered], common, size)
    symbols = np.zeros((n, size), dtype=np.int64)
    positions = np.full((n, size), first_position, dtype=np.int64)
    lengths = np.zeros(n, dtype=np.int64)
    visible = np.zeros((n, size, size), dtype=bool)
    # Padding sees itself: a softmax over nothing is NaN, and stays NaN times a gradient of zero.
    visible[:, np.arange(size), np.arange(size)] = True
    ends = np.empty(len(suffixes), dtype=np.int64)
    chunk, used = 0, 0
    path: list[int] = []  # places in the chunk of the present suffix's tokens
    for index, in_common, suffix in zip(order, common, ordered):
        stem = in_common if used else 0
        if used + len(suffix) - stem > size:
            chunk, used, stem = chunk + 1, 0, 0
        path = path[:stem]
        for depth in range(stem, len(suffix)):
            symbols[chunk, used] = suffix[depth]
            positions[chunk, used] = first_position + depth
            visible[chunk, used, path] = True
            path.append(used)
            used += 1
        lengths[chunk] = used
        ends[index] = chunk * size + path[-1]
    return _PackedGroup(symbols, positions, visible, lengths, ends)
