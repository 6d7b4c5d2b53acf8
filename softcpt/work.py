"""What one pass through the text tower works on: chunks on the tower's device, selected, copied and cut to size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from softcpt.packing import Chunks, Layout
from softcpt.tower import TextTower


@dataclass(frozen=True)
class Tables:
    """Rows per distinct (token, position) of a layout: most tokens of class names occur many times.

    Attributes:
        inputs: (U, d) token plus position embedding, the first block's input.
        first_qkv: (U, 3 d) the first block's queries, keys and values: no gradient passes them, so they are kept.
    """

    inputs: Tensor
    first_qkv: Tensor


class Prepared:
    """A layout on the tower's device with everything that no context changes."""

    def __init__(self, layout: Layout, tower: TextTower):
        self.chunks = layout.chunks.to(tower.tokens.device)
        self.positions = tower.positions
        pairs, self.index = torch.unique(
            self.chunks.tokens * len(tower.positions) + self.chunks.positions, return_inverse=True
        )
        with torch.no_grad():
            inputs = tower.tokens[pairs // len(tower.positions)] + tower.positions[pairs % len(tower.positions)]
            self.tables = Tables(inputs, tower.blocks[0].qkv(inputs))

    def work(self, layout: Layout, groups: Sequence[int], prompts: Sequence[int] | None, copies: int) -> Work:
        """The chunks of ``prompts`` (default: all of ``groups``), ``copies`` times over.

        Groups and slots are renumbered to the contexts given, those of ``groups``.
        """
        chunks, index = self.chunks, self.index
        groups = list(groups)
        every_group = groups == list(range(layout.num_groups))
        if prompts is not None or not every_group:
            chosen = layout.prompts_of(groups) if prompts is None else torch.as_tensor(prompts)
            chunks, kept = chunks.select(chosen.to(index.device))
            index = index[kept]
        if not every_group:
            rank = torch.zeros(layout.num_groups, dtype=torch.long)
            rank[torch.tensor(groups)] = torch.arange(len(groups))
            chunks = chunks.renumber(rank.to(index.device), layout.n_ctx, layout.shared)
        if copies > 1:
            chunks = chunks.repeat(copies, len(groups), layout.n_ctx, layout.shared)
            index = index.repeat(copies, 1)
        return Work(chunks, index, self.tables, self.positions)


class Work:
    """Chunks to compute, and how to bring their ends into the order of the prompts."""

    def __init__(self, chunks: Chunks, index: Tensor, tables: Tables, positions: Tensor):
        self.chunks, self.index, self.tables, self.positions = chunks, index, tables, positions
        self.ends, self.inverse = torch.unique(chunks.ends, return_inverse=True)

    def split(self, max_tokens: int | None) -> list[Part]:
        """Parts of at most ``max_tokens`` tokens (at least one chunk each)."""
        n, size = self.chunks.tokens.shape
        step = n if max_tokens is None else max(1, max_tokens // size)
        return [self._part(start, min(start + step, n)) for start in range(0, n, step)]

    def _part(self, start: int, stop: int) -> Part:
        chunks, size = self.chunks, self.chunks.size
        first, last = torch.searchsorted(self.ends, torch.tensor([start * size, stop * size]).to(self.ends)).tolist()
        return Part(
            index=self.index[start:stop],
            slots=chunks.slots[start:stop],
            places=chunks.positions[start:stop],
            visible=chunks.visible[start:stop],
            group=chunks.group[start:stop],
            ends=self.ends[first:last] - start * size,
            tables=self.tables,
            positions=self.positions,
            alone=stop - start == len(chunks),
        )


@dataclass(frozen=True)
class Part:
    """n chunks of S tokens with E ends, computed together. ``alone``: there is no other part."""

    index: Tensor
    slots: Tensor
    places: Tensor
    visible: Tensor
    group: Tensor
    ends: Tensor
    tables: Tables
    positions: Tensor
    alone: bool

    @cached_property
    def slot_tokens(self) -> Tensor:
        """(M,) which of the n * S tokens are context vectors."""
        return torch.nonzero(self.slots.flatten() >= 0).flatten()

    @property
    def constant(self) -> bool:
        """No context vector stands among these tokens: the first block's input is constant."""
        return len(self.slot_tokens) == 0

    def embed(self, contexts: Tensor) -> Tensor:
        """(n, S, d) input of the first block; ``contexts`` (K * L, d)."""
        x = self.tables.inputs[self.index]
        if self.constant:
            return x
        places = self.positions[self.places.flatten()[self.slot_tokens]]
        return self._put(x, self._context_rows(contexts) + places)

    def first_qkv(self) -> Tensor:
        """(n, S, 3 d) the first block's projections of a constant input."""
        return self.tables.first_qkv[self.index]

    def replace_slots(self, x: Tensor, contexts: Tensor) -> Tensor:
        """``x`` (n, S, d) with the rows at the slots replaced by ``contexts`` (K * L, d)."""
        return x if self.constant else self._put(x, self._context_rows(contexts))

    def bias(self, prefix: int, dtype: torch.dtype) -> Tensor:
        """(n, 1, S, prefix + S) additive mask: every token sees the whole prefix and its ancestors."""
        bias = torch.zeros(self.visible.shape, dtype=dtype, device=self.visible.device)
        bias.masked_fill_(~self.visible, -torch.inf)
        return torch.nn.functional.pad(bias, (prefix, 0))[:, None]

    @cached_property
    def _end_places(self) -> tuple[Tensor, int]:
        """For each end its place in a (n, width) grid with one row per chunk, and that width."""
        chunk = self.ends // self.slots.shape[1]
        counts = torch.bincount(chunk, minlength=len(self.slots))
        width = int(counts.max())
        rank = torch.arange(len(chunk), device=chunk.device) - (counts.cumsum(0) - counts)[chunk]
        return chunk * width + rank, width

    def pad_ends(self, x: Tensor) -> Tensor:
        """(E, f) rows of the ends -> (n, width, f), zeros where a chunk has fewer ends than another."""
        places, width = self._end_places
        grid = x.new_zeros(len(self.slots) * width, x.shape[1]).index_copy(0, places, x)
        return grid.view(len(self.slots), width, -1)

    def unpad_ends(self, x: Tensor) -> Tensor:
        """(n, width, f) -> (E, f): the inverse of ``pad_ends``."""
        return x.flatten(0, 1)[self._end_places[0]]

    def ends_bias(self, bias: Tensor) -> Tensor:
        """The rows of the additive mask at the ends: (n, 1, width, prefix + S)."""
        return self.pad_ends(bias[:, 0].flatten(0, 1)[self.ends])[:, None]

    def _context_rows(self, contexts: Tensor) -> Tensor:
        return contexts[self.slots.flatten()[self.slot_tokens]]

    def _put(self, x: Tensor, rows: Tensor) -> Tensor:
        return x.flatten(0, 1).index_copy(0, self.slot_tokens, rows).view(x.shape)
