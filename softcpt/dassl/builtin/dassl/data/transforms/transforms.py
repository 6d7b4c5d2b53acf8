"""The transforms of a configuration. Their order is fixed; the order of INPUT.TRANSFORMS does not
matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dassl.utils import check_availability
from torchvision.transforms import (
    CenterCrop,
    ColorJitter,
    Compose,
    GaussianBlur,
    InterpolationMode,
    Normalize,
    RandomApply,
    RandomCrop,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
    ToTensor,
)
from yacs.config import CfgNode

from .augment import auto_augment, rand_augment, rand_augment_any_magnitude
from .pixels import Cutout, GaussianNoise, InstanceNormalization, Random2DTranslation

INTERPOLATION_MODES = {name: InterpolationMode(name) for name in ("bilinear", "bicubic", "nearest")}

_Steps = dict[
    str, Callable[[], Any]
]  # name in the configuration -> constructor, in the order of application


def _train_steps(c: CfgNode) -> _Steps:
    """Every training transform."""
    mode = INTERPOLATION_MODES[c.INTERPOLATION]
    return {
        "resize": lambda: Resize(c.SIZE, mode),
        "random_translation": lambda: Random2DTranslation(*c.SIZE),
        "random_crop": lambda: RandomCrop(c.SIZE, c.CROP_PADDING),
        "random_resized_crop": lambda: RandomResizedCrop(
            c.SIZE, c.RRCROP_SCALE, interpolation=mode
        ),
        "random_flip": RandomHorizontalFlip,
        "imagenet_policy": lambda: auto_augment("imagenet"),
        "cifar10_policy": lambda: auto_augment("cifar10"),
        "svhn_policy": lambda: auto_augment("svhn"),
        "randaugment": lambda: rand_augment(c.RANDAUGMENT_N, c.RANDAUGMENT_M),
        "randaugment_fixmatch": lambda: rand_augment_any_magnitude(c.RANDAUGMENT_N),
        "randaugment2": lambda: rand_augment_any_magnitude(c.RANDAUGMENT_N, probability=0.6),
        "colorjitter": lambda: ColorJitter(
            c.COLORJITTER_B, c.COLORJITTER_C, c.COLORJITTER_S, c.COLORJITTER_H
        ),
        "randomgrayscale": lambda: RandomGrayscale(c.RGS_P),
        "gaussian_blur": lambda: RandomApply([GaussianBlur(c.GB_K)], c.GB_P),
        "to_tensor": ToTensor,
        "cutout": lambda: Cutout(c.CUTOUT_N, c.CUTOUT_LEN),
        "normalize": lambda: Normalize(c.PIXEL_MEAN, c.PIXEL_STD),
        "gaussian_noise": lambda: GaussianNoise(c.GN_MEAN, c.GN_STD),
        "instance_norm": InstanceNormalization,
    }


def _test_steps(c: CfgNode) -> _Steps:
    """Every test transform."""
    return {
        "resize": lambda: Resize(
            max(c.SIZE), INTERPOLATION_MODES[c.INTERPOLATION]
        ),  # the smaller edge
        "center_crop": lambda: CenterCrop(c.SIZE),
        "to_tensor": ToTensor,
        "normalize": lambda: Normalize(c.PIXEL_MEAN, c.PIXEL_STD),
        "instance_norm": InstanceNormalization,
    }


def build_transform(
    cfg: CfgNode, is_train: bool = True, choices: Sequence[str] | None = None
) -> Compose | None:
    """The transform from a PIL image to a tensor (3, H, W) for training or test.

    ``choices`` replaces INPUT.TRANSFORMS. With INPUT.NO_TRANSFORM the result is None. Raises
    ValueError on an unknown name.
    """
    settings = cfg.INPUT
    if settings.NO_TRANSFORM:
        print("INPUT.NO_TRANSFORM: images stay as they are")
        return None
    steps, chosen = _train_steps(settings), set(settings.TRANSFORMS if choices is None else choices)
    for name in sorted(chosen):
        check_availability(
            name,
            [*(known for known in steps if known not in ("resize", "to_tensor")), "center_crop"],
        )
    chosen.add("to_tensor")
    if not is_train:
        steps = _test_steps(settings)
        chosen |= {"resize", "center_crop"}
    elif not chosen & {"random_crop", "random_resized_crop"}:  # a crop already has the right size
        chosen.add("resize")
    taken = {name: build() for name, build in steps.items() if name in chosen}
    print(f"{'training' if is_train else 'test'} transform: {', '.join(taken)}")
    return Compose(list(taken.values()))
