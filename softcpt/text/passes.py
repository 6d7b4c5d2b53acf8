"""One pass through the text tower: its chunks on the tower's device, selected, copied and cut to
size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from softcpt.text.attention import AttentionLayout, AttentionTables, numbered
from softcpt.text.packing import Chunks, PackedPrompts
from softcpt.text.tower import TextTower
from softcpt.utils.rows import gather, take
from softcpt.utils.sending import send_together
from softcpt.utils.step_tape import running_tape

# Of one list of prompts so many passes are kept, and so many bytes of them.
MOST_PASSES = 16
MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Tables:
    """Rows per distinct (token, position) of packed prompts: most tokens of class names occur many
    times.

    Attributes:
        positions: (77, d) the tower's position embeddings.
        inputs: (U, d) token plus position embedding, the first block's input.
        first_qkv: (U, 3 d) the first block's queries, keys and values: no gradient passes them, so
            they are kept.
    """

    positions: Tensor
    inputs: Tensor
    first_qkv: Tensor


class PreparedPrompts:
    """Packed prompts with everything that no context changes, and the passes made of them."""

    # It keeps no reference to the PackedPrompts: the encoder keeps this object for as long as
    # somebody else holds them.
    def __init__(self, packed: PackedPrompts, tower: TextTower) -> None:
        self.chunks = packed.chunks
        self.heads = tower.blocks[0].heads
        pairs, self.index = torch.unique(
            self.chunks.tokens * len(tower.positions) + self.chunks.positions, return_inverse=True
        )
        words, places = send_together(
            [pairs // len(tower.positions), pairs % len(tower.positions)], tower.positions.device
        )
        # The context reaches a class name's tokens through the first block's attention. What they
        # bring there themselves, queries, keys and values, is the same in every step.
        with torch.no_grad():
            inputs = tower.tokens[words] + tower.positions[places]
            self.tables = Tables(tower.positions, inputs, tower.blocks[0].qkv(inputs))
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
                layout = AttentionLayout(
                    self.heads, len(packed.prefix), chunks.group, chunks.size, chunks.lengths
                )
                found = encoding_pass(chunks, index, self.tables, max_tokens, layout)
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


@dataclass(frozen=True)
class EncodingPass:
    """Chunks to compute, and how to bring their ends into the order of the prompts.

    Attributes:
        parts: what is computed together.
        inverse: (N',) of each prompt its row among the parts' ends.
        repeats: whether prompts share a row.
    """

    parts: list[PassPart]
    inverse: Tensor
    repeats: bool

    def in_order(self, parts: Sequence[Tensor]) -> Tensor:
        """Rows (E, D) of each part -> (N', D) of the prompts."""
        rows = torch.cat(list(parts))
        return take(rows, self.inverse) if self.repeats else gather(rows, self.inverse)

    @property
    def members(self) -> list[Any]:
        """All that holds tensors of this pass alone."""
        of_parts = [one for part in self.parts for one in (part, part.tokens, part.ends)]
        return [self, *of_parts]

    @cached_property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(getattr(one, name).nbytes for one in self.members for name in _tensors(one))

    def to(self, device: torch.device) -> EncodingPass:
        """The same on ``device``, to which its tensors are sent together."""
        names = [_tensors(member) for member in self.members]
        tensors = [getattr(one, name) for one, own in zip(self.members, names) for name in own]
        sent = iter(send_together(tensors, device))
        whole, *rest = (
            replace(member, **{name: next(sent) for name in own})
            for member, own in zip(self.members, names)
        )
        parts = [
            replace(part, tokens=tokens, ends=ends)
            for part, tokens, ends in zip(rest[::3], rest[1::3], rest[2::3])
        ]
        made: EncodingPass = replace(whole, parts=parts)
        return made


def _tensors(member: Any) -> list[str]:
    return [one.name for one in fields(member) if isinstance(getattr(member, one.name), Tensor)]


def encoding_pass(
    chunks: Chunks,
    index: Tensor,
    tables: Tables,
    max_tokens: int | None,
    layout: AttentionLayout,
) -> EncodingPass:
    """A pass; made on the CPU, where nothing waits for a size, and sent to the tower's device once.

    Args:
        chunks: to compute, on the CPU.
        index: (n, S) each token's row in ``tables``, on the CPU.
        tables: of the words' inputs; on their device all will be.
        max_tokens: in one part; None: all.
        layout: of all chunks.
    """
    n, size = chunks.tokens.shape
    step = n if max_tokens is None else max(1, max_tokens // size)
    # Prompts of equal symbols end at one token; its feature is computed once and read twice.
    ends, inverse = torch.unique(chunks.ends, return_inverse=True)
    parts = [
        _part(chunks, index, ends, slice(start, min(start + step, n)), tables, layout)
        for start in range(0, n, step)
    ]
    made = EncodingPass(parts, inverse, repeats=len(ends) < len(inverse))
    return made.to(tables.inputs.device)


def _part(
    chunks: Chunks,
    index: Tensor,
    ends: Tensor,
    mine: slice,
    tables: Tables,
    layout: AttentionLayout,
) -> PassPart:
    """The chunks ``mine``, on the CPU; ``ends`` are those of all chunks, ascending."""
    n, size = chunks.tokens.shape
    dtype, visible, lengths = tables.inputs.dtype, chunks.visible[mine], layout.lengths[mine]
    cells = torch.nonzero((torch.arange(size) < lengths[:, None]).flatten()).flatten()
    first, last = torch.searchsorted(ends, torch.tensor([mine.start, mine.stop]) * size).tolist()
    end_cells = ends[first:last] - mine.start * size
    counts = torch.bincount(end_cells // size, minlength=len(lengths))
    slots = chunks.slots[mine].flatten()[cells]
    slot_tokens = torch.nonzero(slots >= 0).flatten()
    tokens = replace(layout, lengths=lengths, group=layout.group[mine])
    at_ends = replace(tokens, counts=counts)
    rows = end_cells[numbered(counts, at_ends.width)]
    return PassPart(
        index=index[mine].flatten()[cells],
        slot_tokens=slot_tokens,
        slots=slots[slot_tokens],
        places=chunks.positions[mine].flatten()[cells][slot_tokens],
        end_tokens=torch.searchsorted(cells, end_cells),
        tokens=tokens.tables(visible, dtype),
        ends=at_ends.tables(visible.flatten(0, 1)[rows], dtype),
        tables=tables,
        alone=len(lengths) == n,
    )


@dataclass(frozen=True)
class PassPart:
    """T tokens of n chunks with E ends, computed together.

    Attributes:
        index: (T,) each token's row in ``tables``.
        slot_tokens: (M,) which of the T tokens are context vectors.
        slots: (M,) which vectors.
        places: (M,) their positions in their prompts.
        end_tokens: (E,) which of the T tokens are ends.
        tokens: attention of all tokens: each sees the prefix, itself and its ancestors.
        ends: attention of the ends alone.
        tables: of the words' inputs.
        alone: whether there is no other part.
    """

    index: Tensor
    slot_tokens: Tensor
    slots: Tensor
    places: Tensor
    end_tokens: Tensor
    tokens: AttentionTables
    ends: AttentionTables
    tables: Tables
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
        vectors = take(contexts, self.slots) + self.tables.positions[self.places]
        return x.index_copy(0, self.slot_tokens, vectors)

    def first_qkv(self) -> Tensor:
        """(T, 3 d) the first block's projections of a constant input."""
        return self.tables.first_qkv[self.index]

    def replace_slots(self, x: Tensor, contexts: Tensor) -> Tensor:
        """``x`` (T, d) with the rows at the slots replaced by ``contexts`` (K * L, d)."""
        if self.constant:
            return x
        return x.index_copy(0, self.slot_tokens, take(contexts, self.slots))

    def at_ends(self, x: Tensor) -> Tensor:
        """(T, f) -> (E, f): the rows at the ends."""
        return gather(x, self.end_tokens)
