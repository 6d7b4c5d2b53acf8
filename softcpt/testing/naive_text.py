"""Encodes prompts the naive way, as the published codes do it: all 77 positions of every prompt go
through the untouched tower."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from softcpt.text.open_clip_parts import text_parts


def encode_naively(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    contexts: Tensor,
    deep: Tensor | None = None,
    length: int | None = None,
) -> Tensor:
    """(N, D) text features of ``prompts`` (symbols; slots are negative) with contexts (N, L, d),
    one per prompt.

    ``length`` cuts all prompts after that many positions (truncation); ``deep`` (blocks - 1, N, L,
    d) replaces the context's positions before every block but the first.
    """
    tower = text_parts(model)
    mask, projection = tower.attn_mask, tower.text_projection
    if mask is None or not isinstance(projection, Tensor):
        raise ValueError(f"{type(model).__name__}: not OpenAI's text tower")
    length = length or len(tower.positional_embedding)
    symbols = torch.zeros(len(prompts), length, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        symbols[row, : len(prompt)] = torch.tensor(list(prompt))
    is_slot, index = symbols < 0, (-1 - symbols).clamp(min=0)
    rows = torch.arange(len(prompts))[:, None]

    def put(x: Tensor, values: Tensor) -> Tensor:
        if values.shape[1] == 0:
            return x
        return torch.where(
            is_slot[..., None], values[rows, index.clamp(max=values.shape[1] - 1)], x
        )

    x = (
        put(tower.token_embedding(symbols.clamp(min=0)), contexts)
        + tower.positional_embedding[:length]
    )
    for number, block in enumerate(tower.transformer.resblocks):
        if deep is not None and number > 0:
            x = put(x, deep[number - 1])
        x = block(x, attn_mask=mask[:length, :length])
    features: Tensor = tower.ln_final(x)[torch.arange(len(prompts)), symbols.argmax(dim=1)]
    return features @ projection
