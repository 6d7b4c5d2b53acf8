"""Leaves out one of the engine's savings, to measure its share; the engine itself has no such
switches."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
import workloads  # noqa: F401  puts the checkout on the path
from torch import Tensor

from softcpt.testing.plain_attention import Products, plain_attend, plain_products
from softcpt.text import encoder as text
from softcpt.text import tower as text_tower
from softcpt.text.attention import attend
from softcpt.text.encoder import PrefixCache, TextEncoder
from softcpt.text.encoding_pass import PassPart
from softcpt.text.packing import PackedPrompts
from softcpt.text.tower import TextTower

SAVINGS = (
    *("prefix", "stems", "last-block", "first-block", "fused-activation"),
    *("gathered-attention", "plain-attention", "kept-matrices"),
)


def without(
    saving: str, encoder: TextEncoder, layout: Callable[..., PackedPrompts]
) -> tuple[TextEncoder, PackedPrompts]:
    """An encoder with the same tower, and prompts packed again, that do without one saving.

    ``prefix``: every prompt has a context of its own; ``stems``: class names share nothing;
    ``last-block``: all tokens go through all of the last block; ``first-block``: constant inputs
    are projected in every step; ``fused-activation``: x * sigmoid(1.702 x) in two operations;
    ``gathered-attention``: torch's operations pad, split heads and join prefixes;
    ``plain-attention``: these, and torch's fused attention in place of products;
    ``kept-matrices``: oneDNN sorts the matrices at every product (bf16 on a CPU).
    """
    if saving == "prefix":
        return encoder, layout(share_prefix=False, share_stems=False)
    if saving == "stems":
        return encoder, layout(share_stems=False)
    if saving == "fused-activation":
        tower = copy.deepcopy(encoder.tower)
        for block in tower.blocks:
            block.activation = lambda x: x * torch.sigmoid(x)
        return TextEncoder(tower), layout()
    products = {"gathered-attention": plain_products, "plain-attention": _fused}
    if saving in products:
        return OtherAttention(encoder.tower, products[saving]), layout()
    kind = {
        "last-block": AllTokensInLastBlock,
        "first-block": NothingKept,
        "kept-matrices": MatricesSortedAnew,
    }[saving]
    return kind(encoder.tower), layout()


class NothingKept(TextEncoder):
    """The first block projects its constant input in every step."""

    def _run_blocks(
        self, part: PassPart, prefixes: PrefixCache, rows: Tensor, deep: Tensor | None
    ) -> Tensor:
        object.__setattr__(part, "first_qkv", lambda: self.tower.blocks[0].qkv(part.embed(rows)))
        return super()._run_blocks(part, prefixes, rows, deep)


class AllTokensInLastBlock(TextEncoder):
    """The last block is like the others; ends are picked behind it."""

    def _run_blocks(
        self, part: PassPart, prefixes: PrefixCache, rows: Tensor, deep: Tensor | None
    ) -> Tensor:
        if deep is not None:
            raise ValueError("deep prompts are not measured here")
        x = part.embed(rows)
        for index, (block, cached) in enumerate(zip(self.tower.blocks, prefixes)):
            qkv = part.first_qkv() if index == 0 and part.constant else block.qkv(x)
            x = block.finish(x, attend(part.tokens, qkv, cached))
        return self.tower.project(part.at_ends(x))


class MatricesSortedAnew(TextEncoder):
    """No copies of the tower's matrices are kept."""

    def forward(self, *given: Any, **options: Any) -> Tensor:
        keeping = text_tower.frozen_linear
        text_tower.frozen_linear = lambda x, weight, bias=None, **_: keeping(x, weight, bias)
        try:
            return super().forward(*given, **options)
        finally:
            text_tower.frozen_linear = keeping


class OtherAttention(TextEncoder):
    """Another attention of all tokens behind their prefixes; padded rectangles of torch's
    operations.

    Args:
        tower: the frozen tower.
        products: what is done with queries, keys and values.
    """

    def __init__(self, tower: TextTower, products: Products) -> None:
        super().__init__(tower)
        self.attend = functools.partial(plain_attend, products=products)

    def _run_blocks(
        self, part: PassPart, prefixes: PrefixCache, rows: Tensor, deep: Tensor | None
    ) -> Tensor:
        text.attend = self.attend
        try:
            return super()._run_blocks(part, prefixes, rows, deep)
        finally:
            text.attend = attend


def _fused(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, bias, scale=1.0)
