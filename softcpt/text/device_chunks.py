"""Chunks that the device chooses, for steps that take supersets (softcpt/utils/supersets.py).

passes.py makes a pass on the host, which knows the prompts. Here the host knows how many chunks
there are, and how many tokens; what is of single chunks, their words, what sees what, where prompts
end, is on the device for all of them. That takes the rows of the chunks it chose, and of their
cells, a rectangle, those in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from softcpt.text.attention import AttentionLayout, AttentionTables
from softcpt.text.encoding_pass import EncodingPass, PassPart, Tables, sent
from softcpt.text.packing import Chunks, renumbered_slots
from softcpt.utils.rows import take
from softcpt.utils.step_tape import running_tape
from softcpt.utils.supersets import FAR, Owners, Picked, Superset, pick, refuse_superset


class DeviceChunks:
    """All chunks of some prompts, of which passes take those with prompts of a superset of tasks.

    Args:
        chunks: of N prompts, on the CPU.
        index: (n, S) each token's row in ``tables``, on the CPU.
        tables: of the words' inputs; on their device all will be.
        layout: of the chunks.
        n_ctx: L, vectors of a context.
        shared: whether each group has a prefix of its own.
        owners: (N,) the task of each prompt.
        growth: from one size to the next, of chunks and tokens.
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
        growth: float,
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
            in_use=torch.arange(chunks.size) < chunks.lengths[:, None],
            ends=places,
            at_ends=chunks.visible[rows, places],
        )
        self._of_prompts = Owners(owners, growth=FAR)  # as of classes (softcpt/tasks.py)
        of_chunk = _owners_of_chunks(chunk_of, owners)
        self._of_chunks = Owners(of_chunk, growth=growth)
        self._of_tokens = Owners(of_chunk, chunks.lengths, growth)
        device = tables.inputs.device
        (self._chunks,) = sent([of_chunks], device)
        (self._prompts,) = sent([_OfPrompts(chunk_of, number)], device)

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
            AsksForTasksError: all prompts have more, so that they may have to be divided.
        """
        tape = running_tape()
        if tape is not None:
            tape.hold(self)
        by_group = isinstance(groups, Superset)
        prompts = (tasks.pick(self._of_prompts) if by_group else tasks.tasks).indices
        # All that there are, not those that a step takes: each step of a run is done alike.
        if max_tokens is not None and len(self._of_tokens) > max_tokens:
            refuse_superset("max_text_tokens divides its prompts")
        taken, rank, _ = tasks.pick(self._of_chunks)
        n, size = len(taken), self._size
        chunks = self._chunks.of(taken)
        if isinstance(groups, Superset):
            chunks = self._renumbered(chunks, groups.tasks.rank)
        # All tokens of present chunks, and to the number that the host counted any other cells.
        in_use = chunks.in_use & self._of_chunks.wanted(tasks.present)[taken, None]
        size_of_all = min(tasks.sizes.of(self._of_tokens), n * size)
        picked = pick(in_use.flatten(), size_of_all)
        cells, row = picked.indices, picked.rank.view(n, size)
        part = _Part(
            index=chunks.index.flatten()[cells],
            slot_tokens=cells if self._has_slots else cells[:0],
            slots=chunks.slots.flatten()[cells],
            places=chunks.positions.flatten()[cells],
            end_tokens=row.gather(1, chunks.ends).flatten(),
            tokens=self._attention_of_tokens(chunks, picked),
            ends=self._attention_of_ends(chunks, picked),
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
        slots = renumbered_slots(chunks.slots, rank, self._n_ctx)
        group = rank[chunks.group] if self._shared else chunks.group
        return replace(chunks, slots=slots, group=group)

    def _attention_of_tokens(self, chunks: _OfChunks, tokens: Picked) -> AttentionTables:
        """Of the cells of the ``chunks`` those picked are the ``tokens``."""
        row = tokens.rank.view(-1, self._size)
        places = self._places(row, self._size, 0)
        # Their number is known, which a mask's is not.
        others = pick(~tokens.taken, row.numel() - len(tokens.indices)).indices
        return self._layout_of(len(row)).tables_of(
            tokens=row,
            queries=row,
            attended=places[tokens.indices],
            keys=self._keys(row)[tokens.indices],
            padding=places[others].flatten(),
            group=chunks.group,
            bias=self._bias(chunks.visible),
        )

    def _attention_of_ends(self, chunks: _OfChunks, tokens: Picked) -> AttentionTables:
        """All ends are queries."""
        n, most = chunks.ends.shape
        row = tokens.rank.view(n, self._size)
        queries = torch.arange(n * most, device=row.device).view(n, most)
        return replace(self._layout_of(n), counts=torch.full((n,), most)).tables_of(
            tokens=row,
            queries=queries,
            attended=self._places(queries, most, 0),
            keys=self._keys(row)[tokens.indices],
            padding=row[:0, 0],
            group=chunks.group,
            bias=self._bias(chunks.at_ends),
        )

    def _layout_of(self, n: int) -> AttentionLayout:
        """Of ``n`` chunks; which ones it does not know."""
        whole = torch.full((n,), self._size)
        return replace(self._layout, group=torch.zeros_like(whole), lengths=whole)

    def _keys(self, row: Tensor) -> Tensor:
        return self._places(row, self._layout.prefix + self._size, self._layout.prefix)

    def _places(self, items: Tensor, width: int, first: int) -> Tensor:
        """(n m, h) the places in grids (n, h, width) of ``items`` (n, m), in the columns from
        ``first``."""
        number = torch.arange(items.numel(), device=items.device)
        m = items.shape[1]
        return self._layout.places(number // m, first + number % m, width)

    def _bias(self, visible: Tensor) -> Tensor:
        like = self._tables.inputs
        return like.new_zeros(visible.shape).masked_fill_(~visible, -torch.inf)


@dataclass(frozen=True)
class _OfChunks:
    """Of n chunks (n, S) the tokens' rows in the tables, context vectors and positions, (n,) the
    groups, (n, S, S) what sees what, (n, S) what is no padding; (n, Q) places of ends, and (n, Q,
    S) what these see."""

    index: Tensor
    slots: Tensor
    positions: Tensor
    group: Tensor
    visible: Tensor
    in_use: Tensor
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
    """Any of its tokens may be a context vector, or none is; ends may come twice."""

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

    def at_ends(self, x: Tensor) -> Tensor:
        """(T, f) -> (E, f): the rows at the ends."""
        return take(x, self.end_tokens)


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
