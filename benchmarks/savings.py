"""Leaves out one of the engine's savings, to measure its share; the engine itself has no such
switches."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
import workloads  # noqa: F401  puts the checkout on the path
from torch import Tensor

from softcpt.text import encoder as text
from softcpt.text.encoder import PrefixCache, TextEncoder
from softcpt.text.packing import PackedPrompts
from softcpt.text.passes import PassPart

SAVINGS = ("prefix", "stems", "last-block", "first-block", "fused-activation", "plain-attention")


def without(
    saving: str, encoder: TextEncoder, layout: Callable[..., PackedPrompts]
) -> tuple[TextEncoder, PackedPrompts]:
    """An encoder with the same tower, and prompts packed again, that do without one saving.

    ``prefix``: every prompt has a context of its own; ``stems``: class names share nothing;
    ``last-block``: all tokens go through all of the last block; ``first-block``: constant inputs
    are projected in every step; ``fused-activation``: x * sigmoid(1.702 x) in two operations;
    ``plain-attention``: torch's fused attention instead.
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
    kind = {
        "last-block": AllTokensInLastBlock,
        "first-block": NothingKept,
        "plain-attention": FusedAttention,
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
            past = [tensor.index_select(0, part.group) for tensor in cached]
            qkv = part.first_qkv() if index == 0 and part.constant else block.qkv(x)
            query, *own = text._heads(part.to_grid(qkv), 3, block.heads)
            attended = part.from_grid(text._attend(query, *text._join(past, own), part.bias))
            x = block.finish(x, attended)
        return self.tower.project(part.at_ends(x))


class FusedAttention(TextEncoder):
    """torch's scaled_dot_product_attention in place of plain products."""

    def _run_blocks(
        self, part: PassPart, prefixes: PrefixCache, rows: Tensor, deep: Tensor | None
    ) -> Tensor:
        plain, text._attend = text._attend, _fused
        try:
            return super()._run_blocks(part, prefixes, rows, deep)
        finally:
            text._attend = plain


def _fused(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    attended = F.scaled_dot_product_attention(query, key, value, bias[:, None], scale=1.0)
    return attended.transpose(1, 2).flatten(2)
