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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from softcpt.text.forest import NOTHING, Forest, Ints, rows_of
from softcpt.text.prompt_list import PromptList, Symbols

# Chunk lengths tried. Longer chunks repeat fewer stems, shorter ones waste less attention and
# padding.
CHUNK_SIZES = (8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 80, 96, 128)


def slot(index: int) -> int:
    """The symbol of context vector ``index`` (0-based)."""
    return -1 - index


def renumbered_slots(slots: Tensor, rank: Tensor, n_ctx: int) -> Tensor:
    """Rows of context vectors, -1 for none, where the context of group g is now the one of number
    ``rank[g]``."""
    length = max(n_ctx, 1)
    return torch.where(slots >= 0, rank[slots // length] * n_ctx + slots % length, -1)


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
        slots = renumbered_slots(self.slots, rank, n_ctx)
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

    Attributes:
        shared: whether each group has a prefix of its own; else it is SOS, the same for all.
        prefix: its symbols.
        size: S, tokens of a chunk.
        chunks: all prompts packed; ``group`` is 0 everywhere where the prefix is not shared.
    """

    def __init__(
        self,
        prompts: Symbols,
        groups: Sequence[int] | None = None,
        n_ctx: int = 0,
        width: int = 512,
        share_prefix: bool | None = None,
        share_stems: bool = True,
    ) -> None:
        super().__init__(prompts, groups, n_ctx)
        rows = rows_of(self.prompts)
        # A shared prefix costs its own tokens once per group, and splits the tree at the groups'
        # borders. With a context per class there is nothing to share, and SOS alone is cheaper.
        choices = (True, False) if share_prefix is None else (share_prefix,)
        plans = [self._plan(rows, shared, width, share_stems) for shared in choices]
        plan = min(plans, key=lambda plan: plan.cost)
        self.shared, self.prefix, self.size = plan.shared, plan.prefix, plan.size
        self.chunks = _chunks(plan)

    def _plan(self, rows: Ints, shared: bool, width: int, share_stems: bool) -> _Plan:
        length = self._common_prefix(rows) if shared else 1
        groups = self.groups if shared else np.zeros_like(self.groups)
        forest = Forest.of(self._suffixes(rows, length), groups, share_stems)
        size, cost = _best_chunk_size(forest, length, width)
        if shared:
            cost += self.num_groups * length * 24 * width**2
        return _Plan(cost, shared, self.prompts[0][:length], forest, size)

    @property
    def prefix_slots(self) -> int:
        """How many context vectors stand in the prefix."""
        return len(self.prefix) - 1

    @property
    def num_tokens(self) -> int:
        """Tokens that one encoding of all prompts computes, prefixes included."""
        prefixes = self.num_groups * len(self.prefix) if self.shared else 0
        return prefixes + int(self.chunks.lengths.sum())

    def _common_prefix(self, rows: Ints) -> int:
        """The length of SOS and the context vectors that come first in every prompt."""
        length = 1
        while length < rows.shape[1] and (rows[:, length] == slot(length - 1)).all():
            length += 1
        return length

    def _suffixes(self, rows: Ints, prefix: int) -> Ints:
        """What stands behind the prefix, with slots numbered over all groups' contexts.

        Slots of two groups are different symbols then, so the tree never merges what different
        contexts make different.
        """
        own = rows[:, prefix:]
        slots = (own < 0) & (own != NOTHING)
        return np.where(slots, own - (self.groups * self.n_ctx)[:, None], own)


class _Plan(NamedTuple):
    """One way to divide the prompts into prefix and suffixes, and its arithmetic per layer."""

    cost: int
    shared: bool
    prefix: tuple[int, ...]
    forest: Forest
    size: int


def _best_chunk_size(forest: Forest, prefix: int, width: int) -> tuple[int, int]:
    """The chunk length of least arithmetic, and that arithmetic per layer (linear layers and
    attention)."""
    # A prompt must fit into one chunk: its tokens attend to ancestors in their own chunk only.
    sizes = sorted({max(size, forest.longest) for size in CHUNK_SIZES})
    costs = []
    for size in sizes:
        chunks, tokens = forest.count(size)
        # Linear layers see the tokens, attention the padded chunks; its small products run at about
        # a third of the rate.
        costs.append(tokens * 24 * width**2 + chunks * size * 3 * 4 * width * (prefix + size))
    best = min(range(len(sizes)), key=costs.__getitem__)
    return sizes[best], costs[best]


def _chunks(plan: _Plan) -> Chunks:
    packed = plan.forest.pack(plan.size, len(plan.prefix))
    return Chunks(
        tokens=torch.from_numpy(np.maximum(packed.symbols, 0)),
        slots=torch.from_numpy(np.where(packed.symbols < 0, -1 - packed.symbols, -1)),
        positions=torch.from_numpy(packed.positions),
        visible=torch.from_numpy(packed.visible),
        lengths=torch.from_numpy(packed.lengths),
        group=torch.from_numpy(packed.group),
        ends=torch.from_numpy(packed.ends),
    )
