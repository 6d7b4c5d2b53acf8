"""One pass through the text tower: its chunks on the tower's device, copied and cut to size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from softcpt.text.attention import AttentionLayout, AttentionTables, numbered
from softcpt.text.packing import Chunks
from softcpt.utils.rows import gather, take
from softcpt.utils.sending import send_together

T = TypeVar("T")


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
        whole, *rest = sent(self.members, device)
        parts = [
            replace(part, tokens=tokens, ends=ends)
            for part, tokens, ends in zip(rest[::3], rest[1::3], rest[2::3])
        ]
        made: EncodingPass = replace(whole, parts=parts)
        return made


def sent(members: Sequence[T], device: torch.device) -> list[T]:
    """Dataclasses with their tensors on ``device``, to which all are sent together."""
    names = [_tensors(member) for member in members]
    tensors = [getattr(one, name) for one, own in zip(members, names) for name in own]
    there = iter(send_together(tensors, device))
    return [
        replace(member, **{name: next(there) for name in own})  # type: ignore[type-var]
        for member, own in zip(members, names)
    ]


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
