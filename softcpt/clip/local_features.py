"""Local image embeddings: what an image tower says about each place of an image, in the joint space
with text."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from softcpt.errors import UserError


def with_local_embeddings(visual: nn.Module, images: Tensor) -> Tensor:
    """Images (B, 3, H, W) -> (B, 1 + M, D), not normalised: the pooled embedding, then those of M
    places, row by row.

    * OpenAI's ResNets: the attention pool is asked at every position instead of at the mean alone
      (PLOT, Chen et al. 2023, arXiv 2210.01253, and its code; RN50: M = 7 * 7).
    * ViTs: the final norm and the projection, which the pooled token goes through, on every patch.
    * timm's convolutional towers with plain pooling, such as ``tiny``'s: the tower's head on every
      position of its last map (``tiny``: M = 4 * 4, whose mean is the pooled embedding).

    Raises:
        UserError: for towers of other kinds.
    """
    if isinstance(visual, ModifiedResNet):
        output = visual.forward_intermediates(images, indices=1, intermediates_only=True)
        return _attend_everywhere(visual.attnpool, output["image_intermediates"][0])
    if isinstance(visual, VisionTransformer) and visual.attn_pool is None:
        output = visual.forward_intermediates(
            images, indices=1, normalize_intermediates=True, output_fmt="NLC"
        )
        patches = output["image_intermediates"][0]
        local = patches if visual.proj is None else patches @ visual.proj
        return torch.cat([output["image_features"][:, None], local], dim=1)
    if isinstance(visual, TimmModel) and "pool" not in dict(visual.head.named_children()):
        places = visual.trunk.forward_features(images)
        if places.dim() == 4 and getattr(visual.trunk, "output_fmt", "NCHW") == "NCHW":
            return _head_everywhere(visual, places)
    raise UserError(
        f"image tower {type(getattr(visual, 'trunk', visual)).__name__}: it has no local "
        "embeddings in the joint "
        "space, which this method compares with text; choose a CLIP ResNet or ViT, such as RN50, "
        "or tiny"
    )


def _attend_everywhere(pool: AttentionPool2d, x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 1 + H * W, D): the attention pool with every position as a query, not
    only the mean."""
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1) + pool.positional_embedding.to(x.dtype)
    layers = (pool.q_proj, pool.k_proj, pool.v_proj)
    query, key, value = (
        layer(x).unflatten(2, (pool.num_heads, -1)).transpose(1, 2) for layer in layers
    )
    attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    local: Tensor = pool.c_proj(attended)
    return local


def _head_everywhere(visual: TimmModel, x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 1 + H * W, D): the head on the whole map, and on each position as a map
    of its own."""
    places = x.flatten(2).transpose(1, 2)
    pooled = visual.head(visual.trunk.forward_head(x))
    local = visual.head(visual.trunk.forward_head(places.flatten(0, 1)[:, :, None, None]))
    return torch.cat([pooled[:, None], local.unflatten(0, places.shape[:2])], dim=1)
