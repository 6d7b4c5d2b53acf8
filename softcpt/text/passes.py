"""One pass through the text tower: its chunks on the tower's device, selected, copied and cut to
size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from softcpt.text.packing import Chunks, PackedPrompts
from softcpt.text.tower import TextTower
from softcpt.utils.sending import send, send_together
from softcpt.utils.step_tape import running_tape

# Of one list of prompts so many passes are kept, and so many bytes of them.
MOST_PASSES = 16
MOST_BYTES = 32 * 2**20


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
    """Packed prompts with everything that no context changes, and the passes made of them."""

    # It keeps no reference to the PackedPrompts: the encoder keeps this object for as long as
    # somebody else holds them.
    def __init__(self, packed: PackedPrompts, tower: TextTower) -> None:
        self.chunks = packed.chunks
        self.positions = tower.positions
        pairs, self.index = torch.unique(
            self.chunks.tokens * len(tower.positions) + self.chunks.positions, return_inverse=True
        )
        words, places = send_together(
            [pairs // len(tower.positions), pairs % len(tower.positions)], self.positions.device
        )
        # The context reaches a class name's tokens through the first block's attention. What they
        # bring there themselves, queries, keys and values, is the same in every step.
        with torch.no_grad():
            inputs = tower.tokens[words] + tower.positions[places]
            self.tables = Tables(inputs, tower.blocks[0].qkv(inputs))
            size = len(packed.prefix)
            self.causal = inputs.new_full((size, size), -torch.inf).triu(1)[None]
        self._passes: dict[tuple[object, ...], EncodingPass] = {}

    def encoding_pass(
        self,
        packed: PackedPrompts,
        groups: Sequence[int],
        prompts: Sequence[int] | Tensor | None,
        copies: int,
        max_tokens: int | None,
    ) -> EncodingPass:
        """The chunks of ``prompts`` (default: all of ``groups``), ``copies`` times over, in parts
        of at most ``max_tokens`` tokens (at least one chunk each).

        Groups and slots are renumbered to the contexts given, those of ``groups``. The passes asked
        for last are kept: most steps are like others before them.
        """
        key = (_key(groups), None if prompts is None else _key(prompts), copies, max_tokens)
        found = self._passes.pop(key, None)
        if found is None:
            # Kept tensors must serve training, too, though a test may be the first to ask.
            with torch.inference_mode(False), torch.no_grad():
                chunks, index = self._chosen(packed, groups, prompts, copies)
                prefix = len(packed.prefix)
                found = EncodingPass(chunks, index, self.tables, self.positions, max_tokens, prefix)
        self._passes[key] = found
        self._forget()
        tape = running_tape()
        if tape is not None:
            tape.hold(found)
        return found

    def _forget(self) -> None:
        """Keep the passes that were asked for last, up to a number and a size."""
        size = 0
        for number, (key, kept) in enumerate(reversed(list(self._passes.items())), start=1):
            size += kept.size
            if number > MOST_PASSES or size > MOST_BYTES:
                self._passes.pop(key, None)

    def _chosen(
        self,
        packed: PackedPrompts,
        groups: Sequence[int],
        prompts: Sequence[int] | Tensor | None,
        copies: int,
    ) -> tuple[Chunks, Tensor]:
        """The chunks and their tokens' rows in the tables, on the CPU."""
        chunks, index = self.chunks, self.index
        groups = list(groups)
        every_group = groups == list(range(packed.num_groups))
        if prompts is not None or not every_group:
            chosen = packed.prompts_of(groups) if prompts is None else torch.as_tensor(prompts)
            chunks, kept = chunks.select(chosen.cpu())
            index = index[kept]
        if not every_group:
            rank = torch.zeros(packed.num_groups, dtype=torch.long)
            rank[torch.tensor(groups)] = torch.arange(len(groups))
            chunks = chunks.renumber(rank, packed.n_ctx, packed.shared)
        if copies > 1:
            chunks = chunks.repeat(copies, len(groups), packed.n_ctx, packed.shared)
            index = index.repeat(copies, 1)
        return chunks, index


def _key(numbers: Sequence[int] | Tensor) -> bytes:
    return np.asarray(numbers.cpu() if isinstance(numbers, Tensor) else numbers).tobytes()


class EncodingPass:
    """Chunks to compute, and how to bring their ends into the order of the prompts.

    Made on the CPU, where nothing waits for a size; sent to the tower's device once.

    Args:
        chunks: to compute, on the CPU.
        index: (n, S) each token's row in ``tables``, on the CPU.
        tables: of the words' inputs.
        positions: (77, d) the tower's position embeddings; on its device all will be.
        max_tokens: in one part; None: all.
        prefix: P, tokens in front of every chunk.

    Attributes:
        parts: what is computed together.
        inverse: (N',) of each prompt its row among the parts' ends.
        size: bytes that are kept.
    """

    def __init__(
        self,
        chunks: Chunks,
        index: Tensor,
        tables: Tables,
        positions: Tensor,
        max_tokens: int | None,
        prefix: int,
    ) -> None:
        n, size = chunks.tokens.shape
        step = n if max_tokens is None else max(1, max_tokens // size)
        # Prompts of equal symbols end at one token; its feature is computed once and read twice.
        ends, inverse = torch.unique(chunks.ends, return_inverse=True)
        starts = range(0, n, step)
        made = [_part(chunks, index, ends, start, min(start + step, n)) for start in starts]
        device = positions.device
        sent = send_together([t for part, _ in made for t in part.values()] + [inverse], device)
        self.size = sum(tensor.nbytes for tensor in sent)
        self.inverse = sent.pop()
        self.parts: list[PassPart] = []
        for start, (part, width) in zip(starts, made):
            own = dict(zip(part, sent[len(self.parts) * len(part) :]))
            ends_in_grid = own.pop("ends_in_grid")
            visible = send(chunks.visible[start : start + step], device)
            n_part = len(visible)
            # Wide enough for all keys: added to a part of the scores it would have them copied in
            # the backward pass.
            bias = positions.new_zeros(n_part, size, prefix + size)
            bias[..., prefix:].masked_fill_(~visible, -torch.inf)
            rows = bias.flatten(0, 1)[ends_in_grid]
            ends_bias = scatter(rows, own["end_cells"], n_part * width).view(n_part, width, -1)
            self.parts.append(
                PassPart(
                    **own,
                    bias=bias,
                    ends_bias=ends_bias,
                    tables=tables,
                    positions=positions,
                    alone=len(made) == 1,
                )
            )
            self.size += bias.nbytes + ends_bias.nbytes


def _part(
    chunks: Chunks, index: Tensor, ends: Tensor, start: int, stop: int
) -> tuple[dict[str, Tensor], int]:
    """Of the chunks from ``start`` to ``stop`` the index tables of their :class:`PassPart`, and the
    most ends that one of them has."""
    size = chunks.size
    lengths = chunks.lengths[start:stop]
    cells = torch.nonzero((torch.arange(size) < lengths[:, None]).flatten()).flatten()
    first, last = torch.searchsorted(ends, torch.tensor([start * size, stop * size])).tolist()
    end_cells = ends[first:last] - start * size
    chunk = end_cells // size
    counts = torch.bincount(chunk, minlength=stop - start)
    width = int(counts.max())
    rank = torch.arange(len(chunk)) - (counts.cumsum(0) - counts)[chunk]
    slots = chunks.slots[start:stop].flatten()[cells]
    slot_tokens = torch.nonzero(slots >= 0).flatten()
    return {
        "index": index[start:stop].flatten()[cells],
        "slot_tokens": slot_tokens,
        "slots": slots[slot_tokens],
        "places": chunks.positions[start:stop].flatten()[cells][slot_tokens],
        "cells": cells,
        "group": chunks.group[start:stop],
        "ends": torch.searchsorted(cells, end_cells),
        "end_cells": chunk * width + rank,
        "ends_in_grid": end_cells,
    }, width


@dataclass(frozen=True)
class PassPart:
    """T tokens of n chunks with E ends, computed together.

    Linear layers, which are most of the arithmetic, see the T tokens without padding; attention
    needs rectangles and sees them in the cells of an (n, S) grid, and the ends, in the last block,
    in those of an (n, width) grid.

    Attributes:
        index: (T,) each token's row in ``tables``.
        slot_tokens: (M,) which of the T tokens are context vectors.
        slots: (M,) which vectors.
        places: (M,) their positions in their prompts.
        cells: (T,) each token's cell in the grid.
        group: (n,) whose prefix a chunk attends to.
        ends: (E,) which of the T tokens are ends.
        end_cells: (E,) their cells in the grid of ends, which has a row for each chunk.
        bias: (n, S, P + S) additive mask: every token sees the prefix, itself and its ancestors.
        ends_bias: (n, width, P + S) its rows at the ends.
        tables: of the words' inputs.
        positions: (77, d) the tower's position embeddings.
        alone: whether there is no other part.
    """

    index: Tensor
    slot_tokens: Tensor
    slots: Tensor
    places: Tensor
    cells: Tensor
    group: Tensor
    ends: Tensor
    end_cells: Tensor
    bias: Tensor
    ends_bias: Tensor
    tables: Tables
    positions: Tensor
    alone: bool

    @property
    def constant(self) -> bool:
        """No context vector stands among these tokens: the first block's input is constant."""
        return len(self.slot_tokens) == 0

    def embed(self, contexts: Tensor) -> Tensor:
        """(T, d) input of the first block; ``contexts`` (K * L, d)."""
        x = self.tables.inputs[self.index]
        if self.constant:
            return x
        vectors = contexts[self.slots] + self.positions[self.places]
        return x.index_copy(0, self.slot_tokens, vectors)

    def first_qkv(self) -> Tensor:
        """(T, 3 d) the first block's projections of a constant input."""
        return self.tables.first_qkv[self.index]

    def replace_slots(self, x: Tensor, contexts: Tensor) -> Tensor:
        """``x`` (T, d) with the rows at the slots replaced by ``contexts`` (K * L, d)."""
        if self.constant:
            return x
        return x.index_copy(0, self.slot_tokens, contexts[self.slots])

    def to_grid(self, x: Tensor) -> Tensor:
        """(T, f) -> (n, S, f), zeros in the padding."""
        n, size = self.bias.shape[:2]
        return scatter(x, self.cells, n * size).view(n, size, -1)

    def from_grid(self, x: Tensor) -> Tensor:
        """(n, S, f) -> (T, f)."""
        return gather(x.flatten(0, 1), self.cells)

    def at_ends(self, x: Tensor) -> Tensor:
        """(T, f) -> (E, f): the rows at the ends."""
        return gather(x, self.ends)

    def ends_to_grid(self, x: Tensor) -> Tensor:
        """(E, f) -> (n, width, f), zeros where a chunk has fewer ends than another."""
        n, width = self.ends_bias.shape[:2]
        return scatter(x, self.end_cells, n * width).view(n, width, -1)

    def ends_from_grid(self, x: Tensor) -> Tensor:
        """(n, width, f) -> (E, f)."""
        return gather(x.flatten(0, 1), self.end_cells)


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
