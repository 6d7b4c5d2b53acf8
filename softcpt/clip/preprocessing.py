"""How an image becomes a model's input: size, interpolation, channel statistics."""

from __future__ import annotations

from dataclasses import dataclass

from open_clip.transform import MaybeConvertMode, PreprocessCfg
from torchvision import transforms


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
    """

    size: int
    mean: tuple[float, ...] = PreprocessCfg.mean
    std: tuple[float, ...] = PreprocessCfg.std
    interpolation: str = PreprocessCfg.interpolation
    resize_mode: str = PreprocessCfg.resize_mode

    def __post_init__(self) -> None:
        for name in ("mean", "std"):  # lists in JSON; equal ones must compare as equal
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def transform(self, train: bool = False) -> transforms.Compose:
        """PIL image -> tensor (3, H, W): CLIP's transform, or with ``train`` CoOp's random crop and
        flip."""
        size, mode = self.size, transforms.InterpolationMode(self.interpolation)
        if train:
            crop = [
                transforms.RandomResizedCrop(size, interpolation=mode),
                transforms.RandomHorizontalFlip(),
            ]
        elif self.resize_mode == "squash":
            crop = [transforms.Resize((size, size), mode)]
        else:
            crop = [transforms.Resize(size, mode), transforms.CenterCrop(size)]
        normalise = transforms.Normalize(self.mean, self.std)
        return transforms.Compose([MaybeConvertMode(), *crop, transforms.ToTensor(), normalise])
