"""Order and effect of the transforms."""

import random

import numpy as np
import pytest
import torch
from dassl.data.transforms import INTERPOLATION_MODES, build_transform
from PIL import Image
from torchvision.transforms import InterpolationMode

from softcpt.dassl import engine

NAMES = [
    "random_flip", "random_resized_crop", "normalize", "instance_norm", "random_crop",
    "random_translation", "center_crop", "cutout", "imagenet_policy", "cifar10_policy",
    "svhn_policy", "randaugment", "randaugment_fixmatch", "randaugment2",
    "gaussian_noise", "colorjitter", "randomgrayscale", "gaussian_blur",
]  # fmt: skip
POLICIES = [
    "imagenet_policy",
    "cifar10_policy",
    "svhn_policy",
    "randaugment",
    "randaugment_fixmatch",
    "randaugment2",
]

builtin_only = pytest.mark.skipif(engine() != "built-in", reason="the built-in engine's own line")


@pytest.fixture
def image():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def kinds(cfg, **options):
    return [type(step).__name__ for step in build_transform(cfg, **options).transforms]


def test_training_transforms_have_one_order_whatever_the_lists(cfg):
    order = kinds(cfg, choices=NAMES)
    assert order[:4] == [
        "Random2DTranslation",
        "RandomCrop",
        "RandomResizedCrop",
        "RandomHorizontalFlip",
    ]
    assert order[4 + len(POLICIES) :] == [
        "ColorJitter", "RandomGrayscale", "RandomApply", "ToTensor", "Cutout", "Normalize",
        "GaussianNoise", "InstanceNormalization",
    ]  # fmt: skip
    assert kinds(cfg, choices=NAMES[::-1]) == order


@builtin_only
def test_the_transforms_taken_are_printed_in_their_order(cfg, capsys):
    build_transform(cfg, choices=NAMES[::-1])
    assert capsys.readouterr().out.removeprefix("training transform: ").strip().split(", ") == [
        "random_translation", "random_crop", "random_resized_crop", "random_flip", *POLICIES,
        "colorjitter", "randomgrayscale", "gaussian_blur", "to_tensor", "cutout", "normalize",
        "gaussian_noise", "instance_norm",
    ]  # fmt: skip


def test_without_a_crop_training_images_are_resized(cfg):
    first = build_transform(cfg, choices=["random_flip"]).transforms[0]
    assert (type(first).__name__, tuple(first.size)) == ("Resize", (8, 8))


def test_test_images_are_resized_cropped_and_normalised(cfg):
    cfg.INPUT.SIZE = (6, 8)
    assert kinds(cfg, is_train=False, choices=NAMES) == [
        "Resize", "CenterCrop", "ToTensor", "Normalize", "InstanceNormalization",
    ]  # fmt: skip
    resize, crop = build_transform(cfg, is_train=False).transforms[:2]
    assert (resize.size, tuple(crop.size)) == (8, (6, 8))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_training_transform_gives_a_tensor_of_the_right_size(cfg, image, name, seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    cfg.INPUT.GB_K = 3
    tensor = build_transform(cfg, choices=[name])(image)
    assert tensor.shape == (3, 8, 8)
    assert torch.isfinite(tensor).all()


def test_instance_norm_gives_zero_mean_and_unit_deviation(cfg, image):
    tensor = build_transform(cfg, choices=["instance_norm"])(image)
    assert tensor.mean((1, 2)).abs().max() < 1e-5
    assert tensor.std((1, 2)) == pytest.approx(torch.ones(3), abs=1e-4)


def test_cutout_zeroes_a_square(cfg):
    cfg.INPUT.SIZE, cfg.INPUT.CUTOUT_LEN = (32, 32), 4
    np.random.seed(3)
    tensor = build_transform(cfg, choices=["cutout"])(Image.new("RGB", (32, 32), "white"))
    hole = (tensor == 0).all(0)
    assert hole.sum() == 16
    assert (hole.any(0).sum(), hole.any(1).sum()) == (4, 4)


def test_numpys_and_pythons_generators_draw_as_in_dassl(cfg):
    cfg.INPUT.SIZE = (32, 32)
    white = Image.new("RGB", (40, 40), "white")
    ramp = Image.fromarray(np.tile(np.arange(40, dtype=np.uint8)[:, None, None], (1, 40, 3)) * 6)
    np.random.seed(3)
    cut = build_transform(cfg, choices=["cutout"])(white)
    random.seed(3)
    moved = build_transform(cfg, choices=["random_translation"])(ramp)
    random.seed(1)
    torch.manual_seed(1)
    noisy = build_transform(cfg, choices=["gaussian_noise"])(white)
    ruler = torch.linspace(0, 1, 3 * 32 * 32, dtype=torch.double).reshape(3, 32, 32)
    recorded_on_dassl = [1198.01, 735.99, 1536.07]
    assert [round((t * ruler).sum().item(), 2) for t in (cut, moved, noisy)] == recorded_on_dassl


def test_no_transform_and_unknown_names(cfg):
    assert set(INTERPOLATION_MODES) == {"bilinear", "bicubic", "nearest"}
    assert INTERPOLATION_MODES["bicubic"] is InterpolationMode.BICUBIC
    with pytest.raises((AssertionError, ValueError)):
        build_transform(cfg, choices=["random_flop"])
    cfg.INPUT.NO_TRANSFORM = True
    assert build_transform(cfg) is None
