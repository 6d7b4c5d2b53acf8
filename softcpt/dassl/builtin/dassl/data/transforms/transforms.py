"""The transforms of a configuration. Their order is fixed; the order of INPUT.TRANSFORMS does not matter."""

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

INTERPOLATION_MODES = {
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
    "nearest": InterpolationMode.NEAREST,
}

_Step = tuple[str, str, Callable[[], Any]]  # name in the configuration, line printed, constructor


def _train_steps(c: CfgNode) -> list[_Step]:
    """Every training transform in the order of application. ``to_tensor`` is always taken."""
    mode = INTERPOLATION_MODES[c.INTERPOLATION]
    size, n, m = c.SIZE, c.RANDAUGMENT_N, c.RANDAUGMENT_M
    jitter = (c.COLORJITTER_B, c.COLORJITTER_C, c.COLORJITTER_S, c.COLORJITTER_H)
    return [
        ("resize", f"resize to {size[0]}x{size[1]}", lambda: Resize(size, interpolation=mode)),
        ("random_translation", "random translation", lambda: Random2DTranslation(*size)),
        ("random_crop", f"random crop (padding = {c.CROP_PADDING})", lambda: RandomCrop(size, padding=c.CROP_PADDING)),
        (
            "random_resized_crop",
            f"random resized crop (size={size}, scale={c.RRCROP_SCALE})",
            lambda: RandomResizedCrop(size, scale=c.RRCROP_SCALE, interpolation=mode),
        ),
        ("random_flip", "random flip", RandomHorizontalFlip),
        ("imagenet_policy", "imagenet policy", lambda: auto_augment("imagenet")),
        ("cifar10_policy", "cifar10 policy", lambda: auto_augment("cifar10")),
        ("svhn_policy", "svhn policy", lambda: auto_augment("svhn")),
        ("randaugment", f"randaugment (n={n}, m={m})", lambda: rand_augment(n, m)),
        ("randaugment_fixmatch", f"randaugment_fixmatch (n={n})", lambda: rand_augment_any_magnitude(n)),
        ("randaugment2", f"randaugment2 (n={n})", lambda: rand_augment_any_magnitude(n, probability=0.6)),
        ("colorjitter", "color jitter (b={}, c={}, s={}, h={})".format(*jitter), lambda: ColorJitter(*jitter)),
        ("randomgrayscale", "random gray scale", lambda: RandomGrayscale(p=c.RGS_P)),
        ("gaussian_blur", f"gaussian blur (kernel={c.GB_K})", lambda: RandomApply([GaussianBlur(c.GB_K)], p=c.GB_P)),
        ("to_tensor", "to torch tensor of range [0, 1]", ToTensor),
        (
            "cutout",
            f"cutout (n_holes={c.CUTOUT_N}, length={c.CUTOUT_LEN})",
            lambda: Cutout(c.CUTOUT_N, c.CUTOUT_LEN),
        ),
        *_normalization(c),
        (
            "gaussian_noise",
            f"gaussian noise (mean={c.GN_MEAN}, std={c.GN_STD})",
            lambda: GaussianNoise(c.GN_MEAN, c.GN_STD),
        ),
        ("instance_norm", "instance normalization", InstanceNormalization),
    ]


def _test_steps(c: CfgNode) -> list[_Step]:
    """Every test transform in the order of application."""
    mode = INTERPOLATION_MODES[c.INTERPOLATION]
    edge = max(c.SIZE)
    return [
        ("resize", f"resize the smaller edge to {edge}", lambda: Resize(edge, interpolation=mode)),
        ("center_crop", f"{c.SIZE[0]}x{c.SIZE[1]} center crop", lambda: CenterCrop(c.SIZE)),
        ("to_tensor", "to torch tensor of range [0, 1]", ToTensor),
        *_normalization(c),
        ("instance_norm", "instance normalization", InstanceNormalization),
    ]


def _normalization(c: CfgNode) -> list[_Step]:
    line = f"normalization (mean={c.PIXEL_MEAN}, std={c.PIXEL_STD})"
    return [("normalize", line, lambda: Normalize(mean=c.PIXEL_MEAN, std=c.PIXEL_STD))]


def build_transform(cfg: CfgNode, is_train: bool = True, choices: Sequence[str] | None = None) -> Compose | None:
    """The transform from a PIL image to a tensor (3, H, W) for training or test.

    ``choices`` replaces INPUT.TRANSFORMS. With INPUT.NO_TRANSFORM the result is None. Raises ValueError on an unknown
    name.
    """
    if cfg.INPUT.NO_TRANSFORM:
        print("Note: no transform is applied!")
        return None
    chosen = set(cfg.INPUT.TRANSFORMS if choices is None else choices)
    names = [name for name, _, _ in _train_steps(cfg.INPUT) if name not in ("resize", "to_tensor")]
    for name in sorted(chosen):
        check_availability(name, [*names, "center_crop"])
    if is_train:
        steps, always = _train_steps(cfg.INPUT), {"to_tensor"}
        # A crop already has the right size.
        always |= set() if chosen & {"random_crop", "random_resized_crop"} else {"resize"}
    else:
        steps, always = _test_steps(cfg.INPUT), {"resize", "center_crop", "to_tensor"}
    print(f"Building transform_{'train' if is_train else 'test'}")
    taken = []
    for name, line, build in steps:
        if name in chosen | always:
            print(f"+ {line}")
            taken.append(build())
    return Compose(taken)
