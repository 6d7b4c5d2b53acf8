"""Small transforms that torchvision does not have, with the random draws that Dassl's make."""

from __future__ import annotations

import random

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import crop, resize


class Random2DTranslation:
    """With probability ``p`` a random crop (height, width) of the image enlarged by 1/8, otherwise
    resized."""

    def __init__(
        self,
        height: int,
        width: int,
        p: float = 0.5,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    ) -> None:
        self.height, self.width, self.p, self.interpolation = height, width, p, interpolation

    def __call__(self, img: Image.Image) -> Image.Image:
        """Image to image of ``height`` by ``width``."""
        result: Image.Image
        stays = random.random() > self.p
        if stays:
            result = resize(img, [self.height, self.width], self.interpolation)
            return result
        height, width = round(self.height * 1.125), round(self.width * 1.125)
        left = round(random.uniform(0, width - self.width))
        top = round(random.uniform(0, height - self.height))
        larger = resize(img, [height, width], self.interpolation)
        result = crop(larger, top, left, self.height, self.width)
        return result


class InstanceNormalization:
    """Zero mean and unit deviation per channel of one image (C, H, W); Ulyanov et al., arXiv
    1607.08022."""

    def __init__(self, eps: float = 1e-8) -> None:
        self.eps = eps

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        """Image (C, H, W) to the same, normalised."""
        std, mean = torch.std_mean(img, dim=(1, 2), keepdim=True)
        return (img - mean) / (std + self.eps)


class Cutout:
    """Zero ``n_holes`` squares with sides of ``length`` pixels in an image (C, H, W); arXiv
    1708.04552."""

    def __init__(self, n_holes: int = 1, length: int = 16) -> None:
        self.n_holes, self.length = n_holes, length

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        """Image (C, H, W) to a copy with holes."""
        masked, half = img.clone(), self.length // 2
        for _ in range(self.n_holes):
            y, x = np.random.randint(img.shape[1]), np.random.randint(img.shape[2])
            masked[:, max(y - half, 0) : y + half, max(x - half, 0) : x + half] = 0
        return masked


class GaussianNoise:
    """With probability ``p`` add normal noise to a tensor."""

    def __init__(self, mean: float = 0.0, std: float = 0.15, p: float = 0.5) -> None:
        self.mean, self.std, self.p = mean, std, p

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        """A tensor to the same with noise, or as it is."""
        noisy = random.random() <= self.p
        return img + torch.randn(img.shape) * self.std + self.mean if noisy else img
