"""A frozen causal CLIP text tower, rewritten once so that every later step does less arithmetic.

All foldings are exact (they are done in float64, on the CPU: not every device has that type):

* a LayerNorm's affine part moves into the linear layer behind it;
* the attention scale 1/sqrt(head width) moves into the query weights, LayerScale into the output
  layers;
* QuickGELU(x) = x * sigmoid(1.702 x) = silu(1.702 x) / 1.702: both constants move into the MLP's
  weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from open_clip.transformer import LayerScale, QuickGELU, ResidualAttentionBlock
from torch import Tensor, nn

from softcpt.errors import UserError
from softcpt.text.open_clip_parts import ResidualBlock, TextParts, text_parts
from softcpt.utils.frozen_linear import frozen_linear

QUICK_GELU = 1.702


class TextBlock(nn.Module):
    """One pre-norm residual attention block of the text tower; its weights are buffers: nothing
    here is trained."""

    qkv_weight: Tensor
    qkv_bias: Tensor
    out_weight: Tensor
    out_bias: Tensor
    fc_weight: Tensor
    fc_bias: Tensor
    proj_weight: Tensor
    proj_bias: Tensor

    def __init__(self, block: ResidualBlock, dtype: torch.dtype, held: torch.dtype) -> None:
        super().__init__()
        attention, mlp = block.attn, block.mlp
        width = attention.embed_dim
        self.heads = attention.num_heads
        self.eps = (block.ln_1.eps, block.ln_2.eps)
        # silu saves its input alone for the backward pass; x * sigmoid(1.702 x) as two steps saves
        # a second tensor of the widest layer.
        quick = isinstance(mlp.gelu, QuickGELU)
        self.activation = F.silu if quick else mlp.gelu
        device = attention.in_proj_weight.device
        scale = torch.ones(3 * width, dtype=torch.float64)
        scale[:width] = 1 / math.sqrt(width // self.heads)
        qkv = _after_norm(block.ln_1, attention.in_proj_weight, attention.in_proj_bias)
        fc = _after_norm(block.ln_2, mlp.c_fc.weight, mlp.c_fc.bias)
        constant = QUICK_GELU if quick else 1.0
        layers = {
            "qkv": (qkv[0] * scale[:, None], qkv[1] * scale),
            "out": _scaled(attention.out_proj, _layer_scale(block.ls_1)),
            "fc": (fc[0] * constant, fc[1] * constant),
            "proj": _scaled(mlp.c_proj, _layer_scale(block.ls_2), weight_factor=1 / constant),
        }
        # Rounded once, after all factors are in: each further rounding of a 16-bit weight would
        # move the features away from those of the tower as published.
        for name, layer in layers.items():
            _register_layer(self, name, layer, device, dtype, held)

    def normalise(self, x: Tensor, which: int = 0) -> Tensor:
        """LayerNorm without its affine part (which: 0 before attention, 1 before the MLP)."""
        return F.layer_norm(x, x.shape[-1:], eps=self.eps[which])

    def qkv(self, x: Tensor) -> Tensor:
        """(..., d) -> (..., 3 d): scaled queries, keys, values of the block's input ``x``."""
        return frozen_linear(self.normalise(x), self.qkv_weight, self.qkv_bias, keep=True)

    def queries(self, x: Tensor) -> Tensor:
        """(..., d) -> (..., d): only the scaled queries."""
        width = x.shape[-1]
        return frozen_linear(self.normalise(x), self.qkv_weight[:width], self.qkv_bias[:width])

    def keys_values(self, x: Tensor) -> Tensor:
        """(..., d) -> (..., 2 d): only keys and values."""
        width = x.shape[-1]
        return frozen_linear(self.normalise(x), self.qkv_weight[width:], self.qkv_bias[width:])

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """The block's output from its input ``x`` and the attended values, both (..., d)."""
        x = x + frozen_linear(attended, self.out_weight, self.out_bias, keep=True)
        hidden = self.activation(
            frozen_linear(self.normalise(x, 1), self.fc_weight, self.fc_bias, keep=True)
        )
        return x + frozen_linear(hidden, self.proj_weight, self.proj_bias, keep=True)


class TextTower(nn.Module):
    """Token and position tables, blocks and the joint-space projection of a causal text tower.

    Args:
        model: an ``open_clip`` CLIP (or its ``.text`` part for a CustomTextCLIP).
        dtype: compute type; the weights are cast to it once.
        held: what autocast would then cast weights to at every product; None: nothing does.

    Raises:
        UserError: if the tower is not causal, is not read at the EOS token, or has blocks of
            another kind.
    """

    tokens: Tensor
    positions: Tensor
    projection_weight: Tensor
    projection_bias: Tensor
    blocks: Sequence[TextBlock]

    def __init__(
        self, model: nn.Module, dtype: torch.dtype, held: torch.dtype | None = None
    ) -> None:
        super().__init__()
        held = held or dtype
        tower = text_parts(model)
        _refuse_unless_causal(tower)
        self.register_buffer(
            "tokens", tower.token_embedding.weight.detach().to(dtype), persistent=False
        )
        self.register_buffer(
            "positions", tower.positional_embedding.detach().to(dtype), persistent=False
        )
        with torch.no_grad():
            blocks = [TextBlock(block, dtype, held) for block in tower.transformer.resblocks]
            self.blocks = cast(Sequence[TextBlock], nn.ModuleList(blocks))
            layer = _projection(tower)
        self.final_eps = tower.ln_final.eps
        _register_layer(self, "projection", layer, self.tokens.device, dtype, held)

    @property
    def width(self) -> int:
        """d: width of a token embedding."""
        return int(self.tokens.shape[1])

    @property
    def dtype(self) -> torch.dtype:
        """The compute type."""
        return self.tokens.dtype

    def project(self, x: Tensor) -> Tensor:
        """(N, d) rows at the EOS tokens -> (N, D) text features, not normalised."""
        x = F.layer_norm(x, x.shape[-1:], eps=self.final_eps)
        return frozen_linear(x, self.projection_weight, self.projection_bias)


def _register_layer(
    module: nn.Module,
    name: str,
    layer: tuple[Tensor, Tensor],
    device: torch.device,
    dtype: torch.dtype,
    held: torch.dtype,
) -> None:
    """Keep weight and bias as autocast makes them of those in ``dtype``."""
    for part, tensor in zip(("weight", "bias"), layer):
        kept = tensor.to(device, dtype).to(held).contiguous()
        module.register_buffer(f"{name}_{part}", kept, persistent=False)


def _exact(tensor: Tensor) -> Tensor:
    # Products of two fp32 numbers fit into float64 unrounded, so a folded weight differs from the
    # two factors only by its one rounding at the end. On the CPU, as some devices lack float64.
    return tensor.detach().cpu().double()


def _after_norm(norm: nn.LayerNorm, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of ``frozen_linear(norm(x))`` seen as a linear layer of the bare
    normalisation."""
    # W (g * n + b) + c = (W g) * n + (W b + c): no step multiplies by g and adds b again, forwards
    # or backwards.
    weight, shift = _exact(weight), _exact(weight) @ _exact(norm.bias)
    return weight * _exact(norm.weight), shift if bias is None else _exact(bias) + shift


def _layer_scale(module: Any) -> Tensor | None:
    return _exact(module.gamma) if isinstance(module, LayerScale) else None


def _scaled(
    linear: nn.Linear, gamma: Tensor | None, weight_factor: float = 1.0
) -> tuple[Tensor, Tensor]:
    weight, bias = _exact(linear.weight) * weight_factor, _exact(linear.bias)
    return (weight, bias) if gamma is None else (weight * gamma[:, None], bias * gamma)


def _projection(tower: TextParts) -> tuple[Tensor, Tensor]:
    projection = tower.text_projection
    if projection is None:
        return _after_norm(tower.ln_final, torch.eye(tower.ln_final.weight.numel()), None)
    if isinstance(projection, nn.Linear):
        return _after_norm(tower.ln_final, projection.weight, projection.bias)
    return _after_norm(tower.ln_final, projection.t(), None)


def why_not_causal(tower: object) -> str | None:
    """What a text tower has that is not CLIP's; None: it is causal and read at the EOS token."""
    # Everything left out by the encoder is left out because no earlier token sees it and nothing
    # but EOS is read. A tower of another kind would give other features without a word.
    blocks = getattr(getattr(tower, "transformer", None), "resblocks", None)
    pool = getattr(tower, "pool_type", getattr(tower, "text_pool_type", None))
    mask = getattr(tower, "attn_mask", None)
    if blocks is None or not all(isinstance(block, ResidualAttentionBlock) for block in blocks):
        return "its blocks are not CLIP's residual attention blocks"
    if mask is None or not torch.isinf(mask[0, 1:]).all():
        return "its attention is not causal"
    if pool not in ("argmax", "eos"):
        return f"it is pooled by '{pool}', not at the EOS token"
    if getattr(tower, "cls_emb", None) is not None:
        return "it appends a class token"
    return None


def _refuse_unless_causal(tower: object) -> None:
    reason = why_not_causal(tower)
    if reason:
        raise UserError(
            f"text tower {type(tower).__name__}: the exact engine needs CLIP's causal text tower, "
            f"but {reason}; choose an OpenAI or open_clip CLIP model such as ViT-B/16 or "
            "ViT-B-32/laion2b_s34b_b79k"
        )
