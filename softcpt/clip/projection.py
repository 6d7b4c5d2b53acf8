"""The last linear layer of an image tower, into the joint space, and features in front of it."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from softcpt.errors import UserError


class Projection(NamedTuple):
    """f = v @ weight + bias: v (B, D') in front of the layer, f (B, D) an image feature.

    Attributes:
        tower: gives v of images (B, 3, H, W); shares the frozen tower's tensors.
        weight: (D', D).
        bias: (D,), zero where the layer has none.
    """

    tower: nn.Module
    weight: Tensor
    bias: Tensor


def projection(visual: nn.Module) -> Projection:
    """The projection of an image tower.

    * ViTs: the product with ``proj``.
    * OpenAI's ResNets: the output layer of the attention pool.
    * timm's towers whose head is one linear layer, such as ``tiny``'s.

    Raises:
        UserError: for towers of other kinds.
    """
    if isinstance(visual, VisionTransformer) and visual.proj is not None:
        weight = visual.proj.detach()
        tower = _with(visual, "_parameters", "proj", None)
        return Projection(tower, weight, weight.new_zeros(weight.shape[1]))
    if isinstance(visual, ModifiedResNet):
        layer = visual.attnpool.c_proj
        through = nn.Linear(layer.in_features, layer.in_features, device=layer.weight.device)
        nn.init.eye_(through.weight)
        nn.init.zeros_(through.bias)
        through = through.to(layer.weight.dtype).requires_grad_(False)
        pool = _with(visual.attnpool, "_modules", "c_proj", through)
        return _of_linear(_with(visual, "_modules", "attnpool", pool), layer)
    if isinstance(visual, TimmModel) and list(dict(visual.head.named_children())) == [
        "drop",
        "proj",
    ]:
        return _of_linear(visual.trunk, visual.head.proj)
    raise UserError(
        f"image tower {type(getattr(visual, 'trunk', visual)).__name__}: it does not end with one "
        "linear layer into the joint space, which this method trains; choose a CLIP ResNet or ViT, "
        "such as RN50, or tiny"
    )


def _of_linear(tower: nn.Module, layer: nn.Linear) -> Projection:
    weight = layer.weight.detach().t()
    bias = weight.new_zeros(weight.shape[1]) if layer.bias is None else layer.bias.detach()
    return Projection(tower, weight, bias)


def _with(
    module: nn.Module, registry: str, name: str, value: nn.Module | Tensor | None
) -> nn.Module:
    """The same module with one parameter or child replaced; the others are shared, not copied."""
    other = copy.copy(module)
    other.__dict__[registry] = {**getattr(module, registry), name: value}
    return other


def project(features: Tensor, layer: Projection) -> Tensor:
    """(B, D') features in front of the projection -> (B, D) image features, fp32."""
    return features @ layer.weight.float() + layer.bias.float()


def encode_unprojected(layer: Projection, images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, D') features in front of the projection."""
    features: Tensor = layer.tower(images)
    return torch.flatten(features, 1)
