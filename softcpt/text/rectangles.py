"""Chunks that the device chooses, for steps that take supersets (softcpt/utils/supersets.py).

passes.py makes a pass on the host, which knows the prompts: of each chunk only the tokens in use
are computed. Here the host knows how many chunks there are, and so all their tokens are, padding
too: rectangles, whose tables of attention depend on the number of chunks alone. What is of single
chunks, their words, what sees what, where prompts end, is there for all of them, and the device
takes the rows of those it chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from softcpt.text.attention import AttentionLayout, AttentionTables
from softcpt.text.encoding_pass import EncodingPass, PassPart, Tables, sent
from softcpt.text.packing import Chunks
from softcpt.utils.rows import take
from softcpt.utils.step_tape import running_tape
from softcpt.utils.supersets import Owners, Superset, refuse_superset

# Tables of attention that are kept, each for a number of chunks.
MOST_TABLES = 16


class Rectangles:
    """All chunks of some prompts, of which passes take those with prompts of a superset of tasks.

    Args:
        chunks: of N prompts, on the CPU.
        index: (n, S) each token's row in ``tables``, on the CPU.
        tables: of the words' inputs; on their device all will be.
        layout: of the chunks.
        n_ctx: L, vectors of a context.
        shared: whether each group has a prefix of its own.
        owners: (N,) the task of each prompt.
    """

    def __init__(
        self,
        chunks: Chunks,
        index: Tensor,
        tables: Tables,
        layout: AttentionLayout,
        n_ctx: int,
        shared: bool,
        owners: Tensor,
    ) -> None:
        self._size, self._tables, self._layout = chunks.size, tables, layout
        self._n_ctx, self._shared = n_ctx, shared
        self._has_slots = bool((chunks.slots >= 0).any())
        chunk_of = chunks.ends // chunks.size
        places, number = _places_of_ends(chunks)
        rows = torch.arange(len(chunks))[:, None]
        of_chunks = _OfChunks(
            index=index,
            slots=chunks.slots,
            positions=chunks.positions,
            group=chunks.group,
            visible=chunks.visible,
            ends=places,
            at_ends=chunks.visible[rows, places],
        )
        self._of_prompts = Owners(owners)
        self._of_chunks = Owners(_owners_of_chunks(chunk_of, owners))
        device = tables.inputs.device
        (self._chunks,) = sent([of_chunks], device)
        (self._prompts,) = sent([_OfPrompts(chunk_of, number)], device)
        self._kept: dict[int, list[AttentionTables]] = {}

    def encoding_pass(
        self, groups: Sequence[int], tasks: Superset, max_tokens: int | None
    ) -> EncodingPass:
        """The chunks of the prompts of ``tasks``, and others; all their ends, of which the prompts'
        rows are read.

        Args:
            groups: whose contexts are given: ``tasks``, or all.
            tasks: of the batch.
            max_tokens: as many can be computed at once.

        Raises:
            AsksForTasksError: there are more, so that they have to be divided.
        """
        prompts = tasks.pick(self._of_prompts).indices
        taken, rank = tasks.pick(self._of_chunks)
        n, size = len(taken), self._size
        if max_tokens is not None and n * size > max_tokens:
            refuse_superset("max_text_tokens divides its prompts")
        chunks = self._chunks.of(taken)
        if isinstance(groups, Superset):
            chunks = self._renumbered(chunks, groups.tasks.rank)
        tokens, ends = self._attention(n)
        cells = torch.arange(n * size, device=taken.device)
        part = _Part(
            index=chunks.index.flatten(),
            slot_tokens=cells if self._has_slots else cells[:0],
            slots=chunks.slots.flatten(),
            places=chunks.positions.flatten(),
            end_tokens=(cells[::size, None] + chunks.ends).flatten(),
            tokens=tokens.of_chunks(chunks.group, chunks.visible),
            ends=ends.of_chunks(chunks.group, chunks.at_ends),
            tables=self._tables,
            alone=True,
        )
        # A prompt of a task that is not present may be of a chunk that was not taken. Its row is
        # another prompt's then, and nobody reads it.
        most = chunks.ends.shape[1]
        inverse = rank[self._prompts.chunk[prompts]] * most + self._prompts.number[prompts]
        return EncodingPass([part], inverse, repeats=True)

    def _renumbered(self, chunks: _OfChunks, rank: Tensor) -> _OfChunks:
        """The same for contexts given only for some groups: group g becomes ``rank[g]``."""
        slots, n_ctx = chunks.slots, max(self._n_ctx, 1)
        slots = torch.where(slots >= 0, rank[slots // n_ctx] * n_ctx + slots % n_ctx, -1)
        group = rank[chunks.group] if self._shared else chunks.group
        return replace(chunks, slots=slots, group=group)

    def _attention(self, n: int) -> list[AttentionTables]:
        """Of all tokens, and of the ends alone, of ``n`` chunks of the group 0."""
        found = self._kept.pop(n, None)
        if found is None:
            counts = torch.full((n,), self._chunks.ends.shape[1])
            lengths = torch.full((n,), self._size)
            tokens = replace(self._layout, group=torch.zeros_like(counts), lengths=lengths)
            anything = torch.ones(1, 1, 1, dtype=torch.bool)
            dtype, device = self._tables.inputs.dtype, self._tables.inputs.device
            layouts = tokens, replace(tokens, counts=counts)
            found = sent([layout.tables(anything, dtype) for layout in layouts], device)
        self._kept[n] = found
        if len(self._kept) > MOST_TABLES:
            self._kept.pop(next(iter(self._kept)))
        tape = running_tape()
        if tape is not None:
            tape.hold((self, found))
        return found


@dataclass(frozen=True)
class _OfChunks:
    """Of n chunks (n, S) the tokens' rows in the tables, context vectors and positions, (n,) the
    groups, (n, S, S) what sees what; (n, Q) places of ends, and (n, Q, S) what these see."""

    index: Tensor
    slots: Tensor
    positions: Tensor
    group: Tensor
    visible: Tensor
    ends: Tensor
    at_ends: Tensor

    def of(self, chunks: Tensor) -> _OfChunks:
        return _OfChunks(*(getattr(self, one.name)[chunks] for one in fields(self)))


@dataclass(frozen=True)
class _OfPrompts:
    """Of N prompts (N,) their chunks, and which of its ends is theirs."""

    chunk: Tensor
    number: Tensor


class _Part(PassPart):
    """All cells of some chunks. Any of them may be a context vector, or none is."""

    def embed(self, contexts: Tensor) -> Tensor:
        """(T, d) input of the first block; ``contexts`` (K * L, d)."""
        words = self.tables.inputs[self.index]
        if self.constant:
            return words
        vectors = take(contexts, self.slots.clamp(min=0)) + self.tables.positions[self.places]
        return torch.where(self.slots[:, None] >= 0, vectors, words)

    def replace_slots(self, x: Tensor, contexts: Tensor) -> Tensor:
        """``x`` (T, d) with the rows at the slots replaced by ``contexts`` (K * L, d)."""
        if self.constant:
            return x
        vectors = take(contexts, self.slots.clamp(min=0))
        replaced: Tensor = torch.where(self.slots[:, None] >= 0, vectors, x)
        return replaced


def _owners_of_chunks(chunk_of: Tensor, owners: Tensor) -> Tensor:
    """(n, m) the tasks of each chunk's prompts, the first again behind a chunk's own."""
    count = int(owners.max()) + 1
    pairs = torch.unique(chunk_of * count + owners)
    chunk, task = pairs // count, pairs % count
    counts = torch.bincount(chunk)
    first = counts.cumsum(0) - counts
    table: Tensor = task[first][:, None].repeat(1, int(counts.max()))
    table[chunk, torch.arange(len(chunk)) - first[chunk]] = task
    return table


def _places_of_ends(chunks: Chunks) -> tuple[Tensor, Tensor]:
    """(n, Q) places in each chunk, first those where prompts end, then any others; and which of
    its chunk's ends each prompt has (N,)."""
    ends, prompt = torch.unique(chunks.ends, return_inverse=True)
    chunk = ends // chunks.size
    counts = torch.bincount(chunk, minlength=len(chunks))
    number = torch.arange(len(ends)) - (counts.cumsum(0) - counts)[chunk]
    is_end = torch.zeros(len(chunks) * chunks.size, dtype=torch.bool)
    is_end[ends] = True
    order = is_end.view(len(chunks), -1).logical_not().to(torch.uint8).argsort(dim=1, stable=True)
    return order[:, : int(counts.max())].contiguous(), number[prompt]
