"""Attention stated with torch's own operations: padded rectangles, products, softmax."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from softcpt.text.attention import AttentionTables
from softcpt.utils.rows import gather, scatter

Products = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def plain_products(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Attention with scaled queries (n, h, Q, w) over keys and values (n, h, K, w) -> (n, h, Q, w);
    ``bias`` (n or 1, 1, Q, K) is added to the scores."""
    return torch.softmax((query @ key.transpose(-1, -2)).add_(bias), dim=-1) @ value


def plain_attend(
    tables: AttentionTables, *sources: Tensor, products: Products = plain_products
) -> Tensor:
    """:func:`softcpt.text.attention.attend`, without its index tables."""
    layout = tables.layout
    n, heads = len(layout.lengths), layout.heads
    w = sources[0].shape[1] // (3 if layout.counts is None else 1) // heads

    def grid(rows: Tensor, counts: Tensor, width: int) -> list[Tensor]:
        """(T, p d) -> p tensors (n, h, width, w), zeros in the padding."""
        full = scatter(rows, cells(counts, width), n * width)
        parts = full.view(n, width, -1, heads, w).permute(2, 0, 3, 1, 4)
        return list(parts.unbind())

    def cells(counts: Tensor, width: int) -> Tensor:
        used = torch.arange(width) < counts[:, None]
        return torch.nonzero(used.flatten()).flatten().to(sources[0].device)

    if layout.counts is None:
        query, key, value = grid(sources[0], layout.lengths, layout.size)
    else:
        (query,) = grid(sources[0], layout.counts, layout.width)
        key, value = grid(sources[1], layout.lengths, layout.size)
    prefix = sources[-1].view(-1, layout.prefix, 2, heads, w).permute(2, 0, 3, 1, 4)
    key, value = (
        torch.cat([past.index_select(0, tables.group), own], dim=2)
        for past, own in zip(prefix, (key, value))
    )
    bias = tables.bias
    bias = torch.cat([bias.new_zeros(*bias.shape[:2], layout.prefix), bias], dim=2)
    attended = products(query, key, value, bias[:, None]).transpose(1, 2).flatten(2)
    return gather(attended.flatten(0, 1), cells(layout.queries, layout.width))
