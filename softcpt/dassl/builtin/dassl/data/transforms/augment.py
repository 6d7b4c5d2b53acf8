"""AutoAugment and RandAugment by torchvision.

They are the published methods with torchvision's magnitudes, not Dassl's variants digit for digit.
"""

from __future__ import annotations

from torch import nn
from torchvision.transforms import v2

_GREY = [128, 128, 128]
_BINS = 31  # magnitudes 0..30


def auto_augment(policy: str) -> nn.Module:
    """AutoAugment (arXiv 1805.09501) with the policy learnt on "imagenet", "cifar10" or "svhn"."""
    transform: nn.Module = v2.AutoAugment(v2.AutoAugmentPolicy(policy), fill=_GREY)
    return transform


def rand_augment(n: int, m: int) -> nn.Module:
    """RandAugment (arXiv 1909.13719): ``n`` operations at magnitude ``m`` of 30."""
    transform: nn.Module = v2.RandAugment(num_ops=n, magnitude=m, num_magnitude_bins=_BINS)
    return transform


def rand_augment_any_magnitude(n: int, probability: float = 1.0) -> nn.Module:
    """FixMatch's variant (arXiv 2001.07685): ``n`` operations, each at a random magnitude and with
    ``probability``."""
    one = v2.RandomChoice([rand_augment(1, magnitude) for magnitude in range(_BINS)])
    transform: nn.Module = v2.Compose([v2.RandomApply([one], p=probability) for _ in range(n)])
    return transform
