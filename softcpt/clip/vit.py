"""A frozen ViT, taken apart without touching it: what comes before its blocks, the blocks, and what
reads them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import NoneType

import torch
import torch.nn.functional as F
from open_clip.timm_model import TimmModel
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, VisionTransformer

# Where timm 1.0 defines it and later versions import it.
from timm.models.vision_transformer import Attention  # type: ignore[attr-defined]
from timm.models.vision_transformer import Block as TimmBlock
from timm.models.vision_transformer import VisionTransformer as TimmVisionTransformer
from torch import Tensor, nn

from softcpt.errors import UserError
from softcpt.text.open_clip_parts import Mlp
from softcpt.text.tower import QUICK_GELU
from softcpt.utils.frozen_linear import frozen_linear

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Block:
    """A pre-norm residual attention block by its parts; the weights are the tower's own.

    Attributes:
        norms: before attention and before the MLP.
        scales: of what attention and MLP add (LayerScale, or identities).
        qkv: (3 d, d) weight and (3 d,) bias of queries, keys and values.
        out: what the heads' values go through.
        mlp: from (..., d) to (..., d).
        heads: of the attention.
    """

    norms: tuple[Map, Map]
    scales: tuple[Map, Map]
    qkv: tuple[Tensor, Tensor | None]
    out: nn.Linear
    mlp: Map
    heads: int

    def __call__(self, x: Tensor, prompts: Tensor | None = None, rows: int | None = None) -> Tensor:
        """Tokens (B, T, d) -> the first ``rows`` of the block's output (default: all T).

        Args:
            x: the tokens.
            prompts: (1 or B, N, d), further tokens that are attended to and of which no output is
                wanted.
            rows: how many of the tokens are wanted; the others only get keys and values.
        """
        normed, rows = self.norms[0](x), rows or x.shape[1]
        if rows < x.shape[1]:
            query, (key, value) = (
                *self._project(normed[:, :rows], 0, 1),
                self._project(normed, 1, 3),
            )
        else:
            query, key, value = self._project(normed, 0, 3)
        if prompts is not None:
            shared = self._project(self.norms[0](prompts), 1, 3).expand(-1, x.shape[0], -1, -1, -1)
            key, value = (torch.cat(pair, dim=2) for pair in zip((key, value), shared))
            query = query.contiguous()  # else it keeps the old keys' and values' memory
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = x[:, :rows] + self.scales[0](frozen_linear(attended, self.out.weight, self.out.bias))
        return x + self.scales[1](self.mlp(self.norms[1](x)))

    def _project(self, x: Tensor, first: int, last: int) -> Tensor:
        """(n, S, d) -> (parts, n, heads, S, head width): queries are part 0, keys 1, values 2."""
        weight, bias = self.qkv
        chosen = slice(first * len(weight) // 3, last * len(weight) // 3)
        projected = frozen_linear(x, weight[chosen], None if bias is None else bias[chosen])
        shape = (*projected.shape[:2], last - first, self.heads, -1)
        return projected.view(shape).permute(2, 0, 3, 1, 4)


@dataclass(frozen=True)
class Vit:
    """Blocks between an entrance and an exit.

    Attributes:
        embed: images (B, 3, H, W) -> tokens (B, T, d), the class token first if there is one.
        blocks: L of them.
        read: the first ``rows`` tokens of the last block's output -> image features (B, D).
        rows: tokens that are read, 1 if it is the class token alone; None: all.
        width: d.
        patch_area: pixels that a patch has.
    """

    embed: Map
    blocks: Sequence[Block]
    read: Map
    rows: int | None
    width: int
    patch_area: float

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weight matrices."""
        return self.blocks[0].out.weight.dtype


def open_vit(visual: nn.Module) -> Vit:
    """Take an image tower of open_clip's or timm's apart.

    Raises:
        UserError: for towers that are no plain ViTs.
    """
    if isinstance(visual, VisionTransformer) and _all_are(
        visual.transformer.resblocks, ResidualAttentionBlock
    ):
        return _open_clip_vit(visual)
    trunk = getattr(visual, "trunk", None)
    if isinstance(visual, TimmModel) and type(trunk) is TimmVisionTransformer and _is_plain(trunk):
        return _timm_vit(visual)
    raise UserError(
        f"image tower {type(trunk or visual).__name__}: image prompts are tokens of a plain ViT, "
        "which it "
        "is not; choose one, such as ViT-B/32, ViT-B/16 or ViT-L/14, or a method that prompts text "
        "alone"
    )


def _open_clip_vit(visual: VisionTransformer) -> Vit:
    def read(x: Tensor) -> Tensor:
        pooled: Tensor = visual._pool(x)[0]
        return pooled if visual.proj is None else pooled @ visual.proj

    blocks = [
        Block(
            (block.ln_1, block.ln_2),
            (block.ls_1, block.ls_2),
            (block.attn.in_proj_weight, block.attn.in_proj_bias),
            block.attn.out_proj,
            _open_clip_mlp(block.mlp),
            block.attn.num_heads,
        )
        for block in visual.transformer.resblocks
    ]
    only_class_token = visual.attn_pool is None and visual.pool_type == "tok"
    height, width = visual.patch_size
    return Vit(
        visual._embeds,
        blocks,
        read,
        1 if only_class_token else None,
        visual.conv1.out_channels,
        height * width,
    )


def _open_clip_mlp(mlp: Mlp) -> Map:
    def plain(x: Tensor) -> Tensor:
        hidden = frozen_linear(x, mlp.c_fc.weight, mlp.c_fc.bias)
        return frozen_linear(mlp.gelu(hidden), mlp.c_proj.weight, mlp.c_proj.bias)

    # Added where autocast casts nothing.
    bias: Tensor = getattr(mlp.c_proj, "exact_bias", mlp.c_proj.bias)

    def quick(x: Tensor) -> Tensor:
        hidden = frozen_linear(x, mlp.c_fc.weight, mlp.c_fc.bias)
        # x * sigmoid(1.702 x) = silu(1.702 x) / 1.702: one tensor to keep for the backward pass in
        # place of two.
        output = frozen_linear(F.silu(QUICK_GELU * hidden), mlp.c_proj.weight)
        return torch.add(bias, output, alpha=1 / QUICK_GELU)

    return quick if isinstance(mlp.gelu, QuickGELU) else plain


def _timm_vit(visual: TimmModel) -> Vit:
    trunk = visual.trunk

    def embed(images: Tensor) -> Tensor:
        tokens = trunk._pos_embed(trunk.patch_embed(images))
        normed: Tensor = trunk.norm_pre(trunk.patch_drop(tokens))
        return normed

    def read(x: Tensor) -> Tensor:
        features: Tensor = visual.head(trunk.forward_head(trunk.norm(x)))
        return features

    blocks = [
        Block(
            (block.norm1, block.norm2),
            (block.ls1, block.ls2),
            (block.attn.qkv.weight, block.attn.qkv.bias),
            block.attn.proj,
            block.mlp,
            block.attn.num_heads,
        )
        for block in trunk.blocks
    ]
    only_class_token = trunk.attn_pool is None and trunk.global_pool == "token"
    height, width = trunk.patch_embed.img_size
    patch_area = height * width / trunk.patch_embed.num_patches
    return Vit(embed, blocks, read, 1 if only_class_token else None, trunk.embed_dim, patch_area)


def _all_are(modules: Iterable[nn.Module], kind: type) -> bool:
    return all(type(module) is kind for module in modules)


def _is_plain(trunk: TimmVisionTransformer) -> bool:
    """Whether its blocks compute what :class:`Block` does."""
    if not len(trunk.blocks) or not _all_are(trunk.blocks, TimmBlock):
        return False
    for block in trunk.blocks:
        attention = block.attn
        if type(attention) is not Attention:
            return False
        for name in ("q_norm", "k_norm", "norm", "gate"):
            if not isinstance(getattr(attention, name, None), (nn.Identity, NoneType)):
                return False
    return True
