"""Emoji art as training pictures: the fluent family only, many distorted views of each drawing."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import emoji_art
import numpy as np
import torch
import torch.nn.functional as F
from tiny.towers import IMAGE_SIZE
from torch import Tensor, nn
from tqdm import tqdm

# Every other design belongs to the Emoji-44 benchmark (few-shot training, validation or test): none
# may be added here.
DESIGNS = ("fluent-emoji", "fluent-emoji-flat", "fluent-3d", "fluent-emoji-high-contrast")
DIRECTED = re.compile(
    r"\b(left|right|clockwise|counterclockwise|one|two|three|four|six|seven|nine|letter|keycap)\b"
)


@dataclass
class Views:
    """What the trunk's frozen part makes of the distorted drawings.

    ``maps``: (N, V, 192, 4, 4) half, V views of N drawings; ``emoji``: (N,) index into
    ``code_points``.
    """

    maps: Tensor
    emoji: Tensor
    code_points: list[str]


def to_input(images: Tensor) -> Tensor:
    """Bytes (B, H, W, 3) to the image tower's input (B, 3, H, W), channels last in memory."""
    return ((images.permute(0, 3, 1, 2).float() - 127) / 128).contiguous(
        memory_format=torch.channels_last
    )


def stem(trunk: nn.Module, x: Tensor) -> Tensor:
    """The part of the trunk that stays frozen: everything before its last stage. (B, 3, 128, 128)
    -> (B, 192, 4, 4)."""
    return trunk.blocks[:6](trunk.bn1(trunk.conv_stem(x)))


def tail(trunk: nn.Module, x: Tensor) -> Tensor:
    """The part of the trunk that is fine-tuned: its last stage. (B, 192, 4, 4) -> pooled features
    (B, 1280)."""
    return trunk.global_pool(trunk.bn2(trunk.conv_head(trunk.blocks[6:](x))))


@torch.inference_mode()
def make_views(trunk: nn.Module, count: int, cache: Path, seed: int) -> Views:
    """``count`` random views of every drawing of :data:`DESIGNS`, through the frozen part of
    ``trunk``."""
    emoji = emoji_art.load_index()["emoji"]
    art = {design: emoji_art.render(design, IMAGE_SIZE, cache) for design in DESIGNS}
    code_points = [point for point in emoji if any(point in drawings for drawings in art.values())]
    place = {point: number for number, point in enumerate(code_points)}
    generator = torch.Generator().manual_seed(seed)
    maps, owners = [], []
    for design, drawings in art.items():
        points = list(drawings)
        may_flip = torch.tensor([not DIRECTED.search(emoji[point]["name"]) for point in points])
        for start in tqdm(range(0, len(points), 32), desc=f"views of {design}", unit="batch"):
            chosen = points[start : start + 32]
            images = torch.from_numpy(np.stack([np.asarray(drawings[point]) for point in chosen]))
            x, flips = to_input(images), may_flip[start : start + 32]
            views = [distort(x, flips, generator) for _ in range(count)]
            with torch.autocast("cpu", torch.bfloat16):
                seen = [stem(trunk, view) for view in views]
            maps.append(torch.stack(seen, 1).half())
            owners += [place[point] for point in chosen]
    return Views(torch.cat(maps), torch.tensor(owners), code_points)


def distort(x: Tensor, may_flip: Tensor, generator: torch.Generator) -> Tensor:
    """Random flip, scale, rotation, shift, bending, colours and blur, drawn per image of x (B, 3,
    H, W)."""
    x = _colours(_warp(x, may_flip, generator), generator)
    # The benchmark's art is 48 px enlarged: most views lose detail likewise.
    size = int(torch.randint(36, 100, (), generator=generator))
    small = F.interpolate(x, size=size, mode="bicubic", antialias=True)
    x = F.interpolate(small, size=x.shape[-1], mode="bicubic")
    return x.clamp(-1, 1).contiguous(memory_format=torch.channels_last)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _warp(x: Tensor, may_flip: Tensor, generator: torch.Generator) -> Tensor:
    count = len(x)
    flip = torch.where((torch.rand(count, generator=generator) < 0.5) & may_flip, -1.0, 1.0)
    angle = _uniform((count,), -0.25, 0.25, generator) * math.pi / 2
    scale_x, scale_y = _uniform((2, count), 0.85, 1.3, generator)
    shift = _uniform((count, 2), -0.12, 0.12, generator)
    cos, sin = angle.cos(), angle.sin()
    rows = [
        torch.stack([cos * scale_x * flip, -sin * scale_y], 1),
        torch.stack([sin * scale_x * flip, cos * scale_y], 1),
    ]
    grid = F.affine_grid(
        torch.cat([torch.stack(rows, 1), shift[:, :, None]], 2), list(x.shape), align_corners=False
    )
    bend = F.interpolate(
        0.08 * torch.randn(count, 2, 4, 4, generator=generator), size=x.shape[-2:], mode="bicubic"
    )
    # Sampled around the white background's value, so that what comes in from outside is white.
    return F.grid_sample(x - 1, grid + bend.permute(0, 2, 3, 1), align_corners=False) + 1


def _colours(x: Tensor, generator: torch.Generator) -> Tensor:
    count = len(x)
    mix = torch.eye(3) + 0.25 * torch.randn(count, 3, 3, generator=generator)
    mix = mix / mix.sum(2, keepdim=True).clamp(min=0.5)  # white stays white
    grey = torch.full((3, 3), 1 / 3).expand(count, 3, 3)
    saturation = _uniform((count, 1, 1), 0.2, 1.0, generator)
    saturation = saturation * (torch.rand(count, 1, 1, generator=generator) > 0.1)
    mix = saturation * mix + (1 - saturation) * grey
    gamma = _uniform((count, 1, 1, 1), 0.6, 1.6, generator)
    light = torch.einsum("bij,bjhw->bihw", mix, (x + 1) / 2).clamp(1e-3, 1)
    return light**gamma * 2 - 1
