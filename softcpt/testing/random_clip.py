"""Makes small random CLIP weights under OpenAI's names: every real architecture, at widths that a
test can afford.

OpenAI's files carry no configuration: widths, depths, patch and image size are all read from the
tensors' shapes. A reduced model is therefore the same thing to a loader as the real one.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch import Tensor

# OpenAI's name -> what makes that architecture different from the others, at reduced width and
# depth.
SMALL_ARCHITECTURES: dict[str, dict[str, Any]] = {
    "RN50": {"kind": "resnet", "vision_layers": (1, 2, 1, 1), "embed_dim": 128},
    "RN101": {"kind": "resnet", "vision_layers": (1, 1, 3, 1), "embed_dim": 64},
    "RN50x4": {
        "kind": "resnet",
        "vision_layers": (1, 1, 2, 1),
        "vision_width": 10,
        "image_size": 96,
    },
    "ViT-B/32": {"patch_size": 32, "image_size": 64},
    "ViT-B/16": {"patch_size": 16, "image_size": 64},
    "ViT-L/14": {
        "patch_size": 14,
        "image_size": 56,
        "vision_width": 128,
        "vision_layers": 3,
        "text_width": 192,
    },
    "ViT-L/14@336px": {"patch_size": 14, "image_size": 84, "vision_width": 128, "text_width": 192},
}


def random_openai_state_dict(
    kind: str = "vit",
    *,
    embed_dim: int = 64,
    image_size: int | None = None,
    patch_size: int = 8,
    vision_width: int | None = None,
    vision_layers: int | tuple[int, int, int, int] | None = None,
    text_width: int = 128,
    text_layers: int = 2,
    context_length: int = 77,
    vocab_size: int = 49408,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """A random CLIP state dict in OpenAI's format, the same for the same arguments; the global
    generators are not used.

    Args:
        kind: ``"vit"`` (by default 32x32 images, width 64, 2 layers) or ``"resnet"`` (64x64, width
            8, 1-1-1-1 blocks).
        embed_dim: D, width of the joint space.
        image_size: a multiple of ``patch_size``, or of 32 for a ResNet.
        patch_size: of the ViT.
        vision_width: of the ViT (a multiple of 64: its heads are width // 64) or of the ResNet's
            first stage (even).
        vision_layers: number of ViT blocks, or blocks of the ResNet's four stages.
        text_width: d, a multiple of 64: the text heads are d // 64.
        text_layers: blocks of the text tower.
        context_length: positions of the text tower.
        vocab_size: rows of the token table; CLIP's tokenizer needs 49408.
        seed: of the weights.
        dtype: of the floating-point tensors (OpenAI's own files are fp16).
    """
    if kind == "vit":
        vision = CLIPVisionCfg(
            layers=vision_layers or 2,
            width=vision_width or 64,
            patch_size=patch_size,
            image_size=image_size or 32,
        )
    elif kind == "resnet":
        vision = CLIPVisionCfg(
            layers=vision_layers or (1, 1, 1, 1),
            width=vision_width or 8,
            patch_size=None,
            image_size=image_size or 64,
        )
    else:
        raise ValueError(f"kind {kind!r} is neither 'vit' nor 'resnet'")
    text = CLIPTextCfg(
        context_length, vocab_size, width=text_width, heads=text_width // 64, layers=text_layers
    )
    with torch.device("meta"):
        shapes = CLIP(embed_dim, vision, text, quick_gelu=True).state_dict()
    generator = torch.Generator().manual_seed(seed)
    return {name: _random(name, like, generator, dtype) for name, like in shapes.items()}


def _random(name: str, like: Tensor, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """A tensor of ``like``'s shape at the scale that keeps activations near unit size."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1000)
    if name == "logit_scale":
        return torch.tensor(math.log(100.0), dtype=dtype)
    noise = torch.randn(like.shape, generator=generator)
    if name.endswith("running_var"):
        value = 1 + 0.2 * noise.tanh()
    elif name.endswith("weight") and like.ndim == 1:
        value = 1 + 0.1 * noise
    elif (like.ndim == 1 and name != "visual.class_embedding") or name in (
        "token_embedding.weight",
        "positional_embedding",
    ):
        value = 0.02 * noise
    elif name in ("text_projection", "visual.proj"):
        value = noise / math.sqrt(like.shape[0])
    else:
        value = noise / math.sqrt(like[0].numel() if like.ndim > 1 else like.numel())
    if like.ndim == 4 and ".layer" in name:
        value = value * math.sqrt(2)  # a ReLU halves the variance
    elif like.ndim == 2 and name.startswith("visual.attnpool."):
        value = value * 2  # else the attention is flat and every image gets nearly the same feature
    return value.to(dtype)
