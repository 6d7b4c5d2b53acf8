"""How an image becomes a model's input: size, interpolation, channel statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from open_clip.transform import PreprocessCfg
from PIL import Image
from torch import Tensor
from torchvision import transforms

from softcpt.errors import UserError
from softcpt.utils.kinds import in_short, is_kind
from softcpt.utils.rgb import as_rgb


class _ToRgb:
    """In place of open_clip's step, which cuts 16-bit images at 255 and leaves what was transparent
    in any colour. Here images become RGB as those of a feature bank do."""

    def __call__(self, pic: Any) -> Any:
        return as_rgb(pic) if isinstance(pic, Image.Image) else pic

    def __repr__(self) -> str:
        # Of the transform's description, by which features are found: a bank's images are RGB
        # before it, so that they are the same ones as ever.
        return "MaybeConvertMode()"


_INTERPOLATIONS = tuple(mode.value for mode in transforms.InterpolationMode)
_RESIZE_MODES = ("shortest", "squash")


def _wrong(name: str, value: object, remedy: str) -> UserError:
    return UserError(f"pre-processing of images: {name} is {in_short(value)}; {remedy}")


@dataclass(frozen=True)
class Preprocessing:
    """How images become the model's input.

    Attributes:
        size: side of the square in pixels.
        mean: of the channels R, G, B, of values from 0 to 1.
        std: of the same.
        interpolation: by torchvision's name: bicubic, bilinear, nearest.
        resize_mode: shortest: the short side is resized and the middle is cut out; squash: both
            sides are resized.

    Raises:
        UserError: a value is none of these.
    """

    size: int
    mean: tuple[float, ...] = PreprocessCfg.mean
    std: tuple[float, ...] = PreprocessCfg.std
    interpolation: str = PreprocessCfg.interpolation
    resize_mode: str = PreprocessCfg.resize_mode

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            numbers = getattr(self, name)
            numbers = list(numbers) if isinstance(numbers, (list, tuple)) else []
            if len(numbers) not in (1, 3) or not is_kind(numbers, [(int, float)]):
                raise _wrong(name, getattr(self, name), "give a number for R, G and B")
            # Lists in JSON; equal ones must compare as equal.
            object.__setattr__(self, name, tuple(numbers))
        if min(self.std) <= 0:
            raise _wrong("std", self.std, "give numbers above 0")
        if not is_kind(self.size, int) or self.size < 1:
            raise _wrong("size", self.size, "give the side of a square in pixels")
        for name, known in (("interpolation", _INTERPOLATIONS), ("resize_mode", _RESIZE_MODES)):
            if getattr(self, name) not in known:
                raise _wrong(name, getattr(self, name), f"choose one of {', '.join(known)}")

    def transform(self, train: bool = False) -> transforms.Compose:
        """PIL image -> tensor (3, H, W): CLIP's transform, or with ``train`` CoOp's random crop and
        flip."""
        normalise = transforms.Normalize(self.mean, self.std)
        steps = self._training_crop() if train else self._crop()
        return transforms.Compose([_ToRgb(), *steps, transforms.ToTensor(), normalise])

    def crop(self) -> transforms.Compose:
        """The part of :meth:`transform` in front of the tensor: PIL image -> PIL image (H, W)."""
        return transforms.Compose([_ToRgb(), *self._crop()])

    def normalised(self, pixels: Tensor) -> Tensor:
        """The rest of it for many images at once: bytes (B, H, W, 3) -> (B, 3, H, W), the same
        numbers."""
        mean, std = (
            torch.tensor(values, device=pixels.device)[:, None, None]
            for values in (self.mean, self.std)
        )
        return pixels.permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std)

    def _crop(self) -> list[Callable[[Image.Image], Image.Image]]:
        mode = transforms.InterpolationMode(self.interpolation)
        if self.resize_mode == "squash":
            return [transforms.Resize((self.size, self.size), mode)]
        return [transforms.Resize(self.size, mode), transforms.CenterCrop(self.size)]

    def _training_crop(self) -> list[Callable[[Image.Image], Image.Image]]:
        mode = transforms.InterpolationMode(self.interpolation)
        return [
            transforms.RandomResizedCrop(self.size, interpolation=mode),
            transforms.RandomHorizontalFlip(),
        ]
