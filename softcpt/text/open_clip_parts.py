"""Types of the parts of open_clip's models that are read here: open_clip itself has no types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from torch import Tensor, nn


class Mlp(Protocol):
    """The MLP of a residual attention block."""

    c_fc: nn.Linear
    gelu: nn.Module
    c_proj: nn.Linear


class ResidualBlock(Protocol):
    """A pre-norm residual attention block (``open_clip.transformer.ResidualAttentionBlock``)."""

    def __call__(self, x: Tensor, *, attn_mask: Tensor | None = None) -> Tensor:
        """Tokens (B, T, d) -> tokens (B, T, d)."""

    ln_1: nn.LayerNorm
    attn: nn.MultiheadAttention
    ls_1: nn.Module  # LayerScale or Identity, as ls_2
    ln_2: nn.LayerNorm
    mlp: Mlp
    ls_2: nn.Module


class Transformer(Protocol):
    """A stack of blocks."""

    resblocks: Sequence[ResidualBlock]


class TextParts(Protocol):
    """The text tower: a ``CLIP`` itself, or the ``text`` of a ``CustomTextCLIP``."""

    context_length: int
    token_embedding: nn.Embedding
    positional_embedding: Tensor
    transformer: Transformer
    ln_final: nn.LayerNorm
    text_projection: nn.Linear | Tensor | None
    attn_mask: Tensor | None


class OpenAiVit(Protocol):
    """OpenAI's image tower, ``open_clip.transformer.VisionTransformer``."""

    conv1: nn.Conv2d
    class_embedding: Tensor
    positional_embedding: Tensor
    ln_pre: nn.LayerNorm
    transformer: Transformer
    ln_post: nn.LayerNorm
    proj: Tensor


class ClipModel(nn.Module):
    """What every CLIP model of open_clip has; a description for type checkers, never built."""

    visual: nn.Module
    logit_scale: nn.Parameter
    encode_image: Callable[..., Tensor]
    encode_text: Callable[..., Tensor]


def text_parts(model: nn.Module) -> TextParts:
    """The module of ``model`` that has the text tower's parts."""
    return cast(TextParts, getattr(model, "text", model))


def token_embedding(model: nn.Module) -> tuple[str, nn.Embedding] | None:
    """The module that embeds the tokens of a text, and its name in ``model``; None: not known."""
    text = cast(Any, text_parts(model))
    embedding = getattr(text, "token_embedding", None)
    inner = getattr(text, "transformer", None)
    if embedding is None and inner is not None and hasattr(inner, "get_input_embeddings"):
        embedding = inner.get_input_embeddings()  # transformers' models
    if not isinstance(embedding, nn.Embedding):
        return None
    return next((name, embedding) for name, module in model.named_modules() if module is embedding)
