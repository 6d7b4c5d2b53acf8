"""One attention of many short sequences behind shared prefixes, with a backward pass of its own.

Linear layers see tokens without padding; attention needs rectangles: for every head of every chunk
a grid of queries (Q, w) and grids of keys and values (P + S, w). All their rows, prefixes and
padding included, are gathered in one step from what the linear layers gave, and gradients are
gathered back, where torch's operations pad, split heads and join prefixes one after the other. The
products are the plain ones (``softcpt.testing.plain_attention``), bit for bit: fused kernels are
much slower in bfloat16 on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from softcpt.utils.rows import sum_rows

# Torch computes the transposed gradient of the keys, from which the gradient itself differs, with
# MKL in fp32 and of up to 11 keys, by rounding.
FEW_KEYS = 16


@dataclass(frozen=True)
class AttentionLayout:
    """n chunks of 1 to S tokens, T in all, each with 1 to Q queries, E in all; on the CPU.

    Attributes:
        heads: h.
        prefix: P, tokens of a prefix.
        group: (n,) whose prefix a chunk's queries see.
        size: S.
        lengths: (n,) tokens of each chunk; they are numbered chunk by chunk.
        counts: (n,) queries of each chunk, numbered likewise; None: every token is one.
    """

    heads: int
    prefix: int
    group: Tensor
    size: int
    lengths: Tensor
    counts: Tensor | None = None

    @property
    def queries(self) -> Tensor:
        """(n,) queries of each chunk."""
        return self.lengths if self.counts is None else self.counts

    @cached_property
    def width(self) -> int:
        """Q."""
        return self.size if self.counts is None else int(self.counts.max())

    def tables(self, visible: Tensor, dtype: torch.dtype) -> AttentionTables:
        """What :func:`attend` needs, on the CPU.

        Args:
            visible: (n or 1, Q, S) bool, which tokens of its chunk a query sees, at least one.
            dtype: of the scores.
        """
        empty = torch.arange(self.width) >= self.queries[:, None, None]
        return self.tables_of(
            tokens=numbered(self.lengths, self.size),
            queries=numbered(self.queries, self.width),
            attended=self._places(self.queries, self.width, 0),
            keys=self._places(self.lengths, self.prefix + self.size, self.prefix),
            padding=torch.nonzero(empty.expand(-1, self.heads, -1).flatten()).flatten(),
            group=self.group,
            bias=torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, -torch.inf),
        )

    def tables_of(
        self,
        tokens: Tensor,
        queries: Tensor,
        attended: Tensor,
        keys: Tensor,
        padding: Tensor,
        group: Tensor,
        bias: Tensor,
    ) -> AttentionTables:
        """The same from where things stand, on whichever device that is known.

        Args:
            tokens: (n, S) the token in each place of a chunk; of padding any.
            queries: (n, Q) the query, likewise.
            attended: (E, h) the place of each query in the grids of queries.
            keys: (T, h) the place of each token in the grids of keys.
            padding: of :class:`AttentionTables`.
            group: the same.
            bias: the same.
        """
        together = self.counts is None  # a token's query, key and value are one row of a source
        query_parts, parts = (3, 3) if together else (1, 2)
        start = 0 if together else attended.numel()
        stop = start + keys.numel() * parts
        past = group[:, None] * self.prefix + torch.arange(self.prefix, device=group.device)
        grids = [self._rows(queries, query_parts, 0)]
        for part in (0, 1):  # keys, values
            grid = start + self._rows(tokens, parts, parts - 2 + part)
            grids.append(torch.cat([stop + self._rows(past, 2, part), grid], dim=2))
        keys = grids[0].numel() + keys
        values = grids[1].numel() + keys
        if together:
            back = torch.stack([attended, keys, values], dim=1).flatten()
        else:
            back = torch.cat([attended.flatten(), torch.stack([keys, values], dim=1).flatten()])
        return AttentionTables(
            layout=self,
            gathered=torch.cat([grid.flatten() for grid in grids]).int(),
            attended=attended.flatten().int(),
            asked=self._rows(queries, 1, 0).flatten().int(),
            back=back.int(),
            padding=padding,
            group=group,
            bias=bias,
        )

    def _rows(self, items: Tensor, parts: int, part: int) -> Tensor:
        """(n, m) rows of a source -> (n, h, m) rows of heads, of one of its ``parts``."""
        head = torch.arange(self.heads, device=items.device)[:, None]
        return (items[:, None] * parts + part) * self.heads + head

    def _places(self, counts: Tensor, width: int, first: int) -> Tensor:
        """(items, h) the places in grids (n, h, width) of items in the columns from ``first``."""
        chunk = torch.repeat_interleave(counts)
        column = first + torch.arange(len(chunk)) - (counts.cumsum(0) - counts)[chunk]
        return self.places(chunk, column, width)

    def places(self, chunk: Tensor, column: Tensor, width: int) -> Tensor:
        """(items, h) the places in grids (n, h, ``width``) of items in a ``column`` (items,) of a
        ``chunk`` (items,)."""
        head = torch.arange(self.heads, device=chunk.device)
        return (chunk[:, None] * self.heads + head) * width + column[:, None]


def numbered(counts: Tensor, width: int) -> Tensor:
    """(n, width) items numbered row by row, ``counts`` (n,) in each; padding repeats the row's
    last."""
    # Padding has to be finite, for it is multiplied by zero; and a chunk's own, so that what is
    # wrong in one chunk stays there.
    last = counts[:, None] - 1
    return (counts.cumsum(0) - counts)[:, None] + torch.arange(width).minimum(last)


@dataclass(frozen=True)
class AttentionTables:
    """What :func:`attend` needs of a layout, on the device. Rows are rows of one head.

    Attributes:
        layout: of the chunks.
        gathered: (n h (Q + 2 (P + S)),) the sources' rows in the grids of queries, keys, values.
        attended: (E h,) in the grids of queries, the rows in use.
        asked: (n h Q,) of each row in the grids of queries, which of those in use it is.
        back: of the own sources' rows, which in the grids.
        padding: rows in the grids of queries that are not in use.
        group: (n,) of the layout.
        bias: (n or 1, Q, S) added to the scores of own tokens.
    """

    layout: AttentionLayout
    gathered: Tensor
    attended: Tensor
    asked: Tensor
    back: Tensor
    padding: Tensor
    group: Tensor
    bias: Tensor

    def grids(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of heads in the order of ``gathered`` -> queries (n h, Q, w), keys and values (2, n
        h, P + S, w)."""
        layout, w = self.layout, rows.shape[1]
        batch = len(layout.lengths) * layout.heads
        split = batch * layout.width
        pair = rows[split:].view(2, batch, layout.prefix + layout.size, w)
        return rows[:split].view(batch, layout.width, w), pair


def attend(tables: AttentionTables, *sources: Tensor) -> Tensor:
    """Attended values (E, d) of all queries.

    Each query sees its chunk's prefix, and of the chunk's tokens those that the bias lets it see.

    Args:
        tables: of the chunks.
        sources: of all tokens scaled queries, keys and values (T, 3 d); or queries alone (E, d),
            then keys and values (T, 2 d). Behind them the prefixes' keys and values (groups * P, 2
            d).

    Raises:
        RuntimeError: when it is differentiated twice.
    """
    attended: Tensor = _Attention.apply(tables, *(source.to(sources[0]) for source in sources))
    return attended


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tables: AttentionTables, *sources: Tensor) -> Tensor:
        layout = tables.layout
        d = sources[0].shape[1] // (3 if layout.counts is None else 1)
        w = d // layout.heads
        grids = torch.cat([source.reshape(-1, w) for source in sources]).index_select(
            0, tables.gathered
        )
        query, (key, value) = tables.grids(grids)
        scores = torch.bmm(query, key.transpose(1, 2))
        every_head = scores.view(-1, layout.heads, *scores.shape[1:])
        every_head[..., layout.prefix :].add_(tables.bias[:, None])
        # The type is named because autocast would choose another.
        weights = torch.softmax(scores, dim=-1, dtype=scores.dtype)
        ctx.save_for_backward(grids, weights)
        ctx.tables, ctx.shapes = tables, [source.shape for source in sources]
        return torch.bmm(weights, value).view(-1, w).index_select(0, tables.attended).view(-1, d)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        tables: AttentionTables = ctx.tables
        grids, weights = ctx.saved_tensors
        query, (key, value) = tables.grids(grids)
        gradient = gradient.reshape(-1, grids.shape[1]).index_select(0, tables.asked)
        if len(tables.padding):
            gradient.index_fill_(0, tables.padding, 0)
        gradient = gradient.view_as(query)
        total = torch.empty_like(grids)
        of_query, pair = tables.grids(total)
        torch.bmm(weights.transpose(1, 2), gradient, out=pair[1])
        of_scores = torch._softmax_backward_data(
            torch.bmm(gradient, value.transpose(1, 2)), weights, -1, weights.dtype
        )
        if pair.shape[2] < FEW_KEYS:
            pair[0].copy_(torch.bmm(query.transpose(1, 2), of_scores).transpose(1, 2))
        else:
            torch.bmm(of_scores.transpose(1, 2), query, out=pair[0])
        own: list[Tensor | None] = [None] * (len(ctx.shapes) - 1)
        if any(ctx.needs_input_grad[1:-1]):
            torch.bmm(of_scores, key, out=of_query)
            rows = total.index_select(0, tables.back)
            parts = rows.split([shape.numel() // rows.shape[1] for shape in ctx.shapes[:-1]])
            own = [part.view(shape) for part, shape in zip(parts, ctx.shapes)]
        shared = _of_prefix(tables, pair, ctx.shapes[-1]) if ctx.needs_input_grad[-1] else None
        return None, *own, shared


def _of_prefix(tables: AttentionTables, pair: Tensor, shape: torch.Size) -> Tensor:
    """The prefixes' gradient from that of all keys and values (2, n h, P + S, w): the sum over
    chunks, in their order."""
    layout = tables.layout
    grids = pair[:, :, : layout.prefix].unflatten(1, (-1, layout.heads))
    of_chunks = grids.permute(1, 3, 0, 2, 4)  # (n, P, 2, h, w)
    prefixes = shape.numel() // of_chunks[0].numel()
    return sum_rows(of_chunks, tables.group, prefixes).view(shape)
