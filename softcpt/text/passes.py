"""One pass through the text tower: its chunks on the tower's device, selected, copied and cut to
size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from softcpt.text.packing import Chunks, PackedPrompts
from softcpt.text.tower import TextTower


@dataclass(frozen=True)
class Tables:
    """Rows per distinct (token, position) of packed prompts: most tokens of class names occur many
    times.

    Attributes:
        inputs: (U, d) token plus position embedding, the first block's input.
        first_qkv: (U, 3 d) the first block's queries, keys and values: no gradient passes them, so
            they are kept.
    """

    inputs: Tensor
    first_qkv: Tensor


class PreparedPrompts:
    """Packed prompts on the tower's device with everything that no context changes."""

    # It keeps no reference to the PackedPrompts: the encoder keeps this object for as long as
    # somebody else holds them.
    def __init__(self, packed: PackedPrompts, tower: TextTower) -> None:
        self.chunks = packed.chunks.to(tower.tokens.device)
        self.positions = tower.positions
        pairs, self.index = torch.unique(
            self.chunks.tokens * len(tower.positions) + self.chunks.positions, return_inverse=True
        )
        # The context reaches a class name's tokens through the first block's attention. What they
        # bring there themselves, queries, keys and values, is the same in every step.
        with torch.no_grad():
            inputs = (
                tower.tokens[pairs // len(tower.positions)]
                + tower.positions[pairs % len(tower.positions)]
            )
            self.tables = Tables(inputs, tower.blocks[0].qkv(inputs))

    def encoding_pass(
        self,
        packed: PackedPrompts,
        groups: Sequence[int],
        prompts: Sequence[int] | Tensor | None,
        copies: int,
    ) -> EncodingPass:
        """The chunks of ``prompts`` (default: all of ``groups``), ``copies`` times over.

        Groups and slots are renumbered to the contexts given, those of ``groups``.
        """
        chunks, index = self.chunks, self.index
        groups = list(groups)
        every_group = groups == list(range(packed.num_groups))
        if prompts is not None or not every_group:
            chosen = packed.prompts_of(groups) if prompts is None else torch.as_tensor(prompts)
            chunks, kept = chunks.select(chosen.to(index.device))
            index = index[kept]
        if not every_group:
            rank = torch.zeros(packed.num_groups, dtype=torch.long)
            rank[torch.tensor(groups)] = torch.arange(len(groups))
            chunks = chunks.renumber(rank.to(index.device), packed.n_ctx, packed.shared)
        if copies > 1:
            chunks = chunks.repeat(copies, len(groups), packed.n_ctx, packed.shared)
            index = index.repeat(copies, 1)
        return EncodingPass(chunks, index, self.tables, self.positions)


class EncodingPass:
    """Chunks to compute, and how to bring their ends into the order of the prompts."""

    def __init__(self, chunks: Chunks, index: Tensor, tables: Tables, positions: Tensor) -> None:
        self.chunks, self.index, self.tables, self.positions = chunks, index, tables, positions
        # Prompts of equal symbols end at one token; its feature is computed once and read twice.
        self.ends, self.inverse = torch.unique(chunks.ends, return_inverse=True)

    def split(self, max_tokens: int | None) -> list[PassPart]:
        """Parts of at most ``max_tokens`` tokens (at least one chunk each)."""
        n, size = self.chunks.tokens.shape
        step = n if max_tokens is None else max(1, max_tokens // size)
        return [self._part(start, min(start + step, n)) for start in range(0, n, step)]

    def _part(self, start: int, stop: int) -> PassPart:
        chunks, size = self.chunks, self.chunks.size
        lengths = chunks.lengths[start:stop]
        cells = torch.nonzero(
            (torch.arange(size, device=lengths.device) < lengths[:, None]).flatten()
        ).flatten()
        first, last = torch.searchsorted(
            self.ends, torch.tensor([start * size, stop * size]).to(self.ends)
        ).tolist()
        ends = self.ends[first:last] - start * size
        return PassPart(
            index=self.index[start:stop].flatten()[cells],
            slots=chunks.slots[start:stop].flatten()[cells],
            places=chunks.positions[start:stop].flatten()[cells],
            cells=cells,
            visible=chunks.visible[start:stop],
            group=chunks.group[start:stop],
            ends=torch.searchsorted(cells, ends),
            end_cells=ends,
            tables=self.tables,
            positions=self.positions,
            alone=stop - start == len(chunks),
        )


@dataclass(frozen=True)
class PassPart:
    """T tokens of n chunks with E ends, computed together.

    Linear layers, which are most of the arithmetic, see the T tokens without padding; attention
    needs rectangles and sees them in the cells of an (n, S) grid.

    Attributes:
        index: (T,) each token's row in ``tables``.
        slots: (T,) each token's context vector, -1 for words.
        places: (T,) each token's position in its prompt.
        cells: (T,) each token's cell in the grid.
        visible: (n, S, S) which cells a cell attends to.
        group: (n,) whose prefix a chunk attends to.
        ends: (E,) which of the T tokens are ends.
        end_cells: (E,) their cells in the grid.
        tables: of the words' inputs.
        positions: (77, d) the tower's position embeddings.
        alone: whether there is no other part.
    """

    index: Tensor
    slots: Tensor
    places: Tensor
    cells: Tensor
    visible: Tensor
    group: Tensor
    ends: Tensor
    end_cells: Tensor
    tables: Tables
    positions: Tensor
    alone: bool

    @cached_property
    def slot_tokens(self) -> Tensor:
        """(M,) which of the T tokens are context vectors."""
        return torch.nonzero(self.slots >= 0).flatten()

    @property
    def constant(self) -> bool:
        """No context vector stands among these tokens: the first block's input is constant."""
        return len(self.slot_tokens) == 0

    def embed(self, contexts: Tensor) -> Tensor:
        """(T, d) input of the first block; ``contexts`` (K * L, d)."""
        x = self.tables.inputs[self.index]
        if self.constant:
            return x
        places = self.positions[self.places[self.slot_tokens]]
        return x.index_copy(0, self.slot_tokens, contexts[self.slots[self.slot_tokens]] + places)

    def first_qkv(self) -> Tensor:
        """(T, 3 d) the first block's projections of a constant input."""
        return self.tables.first_qkv[self.index]

    def replace_slots(self, x: Tensor, contexts: Tensor) -> Tensor:
        """``x`` (T, d) with the rows at the slots replaced by ``contexts`` (K * L, d)."""
        if self.constant:
            return x
        return x.index_copy(0, self.slot_tokens, contexts[self.slots[self.slot_tokens]])

    def to_grid(self, x: Tensor) -> Tensor:
        """(T, f) -> (n, S, f), zeros in the padding."""
        n, size = self.visible.shape[:2]
        return scatter(x, self.cells, n * size).view(n, size, -1)

    def from_grid(self, x: Tensor) -> Tensor:
        """(n, S, f) -> (T, f)."""
        return gather(x.flatten(0, 1), self.cells)

    @cached_property
    def bias(self) -> Tensor:
        """(n, S, S) additive mask inside the chunks: every token sees itself and its ancestors."""
        bias = torch.zeros(
            self.visible.shape, dtype=self.positions.dtype, device=self.visible.device
        )
        return bias.masked_fill_(~self.visible, -torch.inf)

    @cached_property
    def _end_grid(self) -> tuple[Tensor, int]:
        """For each end its cell in an (n, width) grid with one row per chunk, and that width."""
        n, size = self.visible.shape[:2]
        chunk = self.end_cells // size
        counts = torch.bincount(chunk, minlength=n)
        width = int(counts.max())
        rank = torch.arange(len(chunk), device=chunk.device) - (counts.cumsum(0) - counts)[chunk]
        return chunk * width + rank, width

    def at_ends(self, x: Tensor) -> Tensor:
        """(T, f) -> (E, f): the rows at the ends."""
        return gather(x, self.ends)

    def ends_to_grid(self, x: Tensor) -> Tensor:
        """(E, f) -> (n, width, f), zeros where a chunk has fewer ends than another."""
        cells, width = self._end_grid
        return scatter(x, cells, len(self.visible) * width).view(len(self.visible), width, -1)

    def ends_from_grid(self, x: Tensor) -> Tensor:
        """(n, width, f) -> (E, f)."""
        return gather(x.flatten(0, 1), self._end_grid[0])

    @cached_property
    def ends_bias(self) -> Tensor:
        """(n, width, S): the additive mask's rows at the ends."""
        return self.ends_to_grid(self.bias.flatten(0, 1)[self.end_cells])


def gather(x: Tensor, index: Tensor) -> Tensor:
    """``x[index]`` (n, ...) of (rows, ...), for an index (n,) without repetitions."""
    rows: Tensor = _Gather.apply(x, index)
    return rows


def scatter(x: Tensor, index: Tensor, rows: int) -> Tensor:
    """Rows of ``x`` (n, ...) at ``index`` (n,) of ``rows`` rows, zeros elsewhere; the inverse of
    :func:`gather`."""
    result: Tensor = _Scatter.apply(x, index, rows)
    return result


# Each is the other's gradient because no index repeats. Torch cannot know that: its own backward of
# indexing adds up with atomic operations or sorts, which is slower, and on a GPU adds in an order
# that changes from run to run.
class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = len(x)
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return scatter(gradient, ctx.saved_tensors[0], ctx.rows), None


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, rows: int) -> Tensor:
        ctx.save_for_backward(index)
        return x.new_zeros(rows, *x.shape[1:]).index_copy_(0, index, x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gather(gradient, ctx.saved_tensors[0]), None, None
