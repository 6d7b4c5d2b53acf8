"""Images are read as published pipelines read them, and a view can be drawn again."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms

from softcpt.clip.preprocessing import Preprocessing
from softcpt.errors import UserError
from softcpt.features.images import ImageError, ViewDataset, default_workers, drawn_from, read_image

AUGMENT = transforms.Compose(
    [transforms.RandomResizedCrop(16), transforms.RandomHorizontalFlip(), transforms.PILToTensor()]
)


class ThreeGenerators:
    """A transform that draws from every global generator, as Dassl's do."""

    def __call__(self, image: Image.Image) -> torch.Tensor:
        return torch.tensor(
            [random.random(), np.random.rand(), torch.rand(()).item()], dtype=torch.float64
        )


@pytest.fixture
def paths(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(12):
        pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    return [str(tmp_path / f"{index}.png") for index in range(12)]


def saved(tmp_path, image, name="image.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def view(paths, seed=0, number=0, **loading):
    loader = DataLoader(ViewDataset(paths, AUGMENT, seed, number), batch_size=None, **loading)
    return dict(loader)


def test_a_jpeg_is_decoded_as_pillow_does(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(pixels), "image.jpg")
    assert np.array_equal(read_image(path), Image.open(path).convert("RGB"))


def test_a_pipe_with_the_name_of_an_image_is_refused_and_nobody_waits(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UserError, match="is no file, but a folder, a pipe or a device"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "YCbCr", "CMYK"])
def test_any_colour_mode_becomes_rgb(tmp_path, mode):
    grey = Image.linear_gradient("L").resize((32, 32)).convert("RGB")
    converted = grey.quantize(64) if mode == "P" else grey.convert(mode)
    # Pillow 10 to 12 write YCbCr without compression, but cannot read it.
    packing = {"compression": "tiff_lzw"} if mode == "YCbCr" else {}
    image = read_image(saved(tmp_path, converted, "image.tiff", **packing))
    assert image.mode == "RGB" and image.size == (32, 32)
    tolerance = 255 if mode == "1" else 6
    assert np.abs(np.asarray(image, int) - np.asarray(grey, int)).max() <= tolerance
    assert abs(np.mean(image) - np.mean(grey)) < 6


def test_sixteen_bits_keep_their_upper_eight(tmp_path):
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    image = read_image(saved(tmp_path, Image.fromarray(values)))
    assert np.array_equal(np.asarray(image)[..., 0], values >> 8)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(tmp_path, mode):
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (4, 0, 8, 8))
    read = np.asarray(read_image(saved(tmp_path, image.convert(mode))))
    assert (read[:, :4] == 0).all() and (read[:, 4:] == 255).all()


def test_exif_orientation_is_left_alone(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_image(saved(tmp_path, Image.new("RGB", (20, 10)), "image.jpg", exif=exif)).size == (
        20,
        10,
    )


def truncated(path):
    path.write_bytes(path.read_bytes()[:700])


def not_an_image(path):
    path.write_text("<html>404 Not Found</html>")


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("name", ["image.jpg", "image.png", "image.tiff"])
@pytest.mark.parametrize("damage", [truncated, not_an_image, empty, lambda path: path.unlink()])
def test_an_unreadable_file_is_named_in_one_line(tmp_path, name, damage):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(pixels), name)
    damage(path)
    with pytest.raises(ImageError) as error:
        read_image(path)
    assert isinstance(error.value, UserError)
    assert (
        error.value.path == str(path)
        and str(path) in str(error.value)
        and "\n" not in str(error.value)
    )


def test_a_pointer_of_git_lfs_is_told_from_a_damaged_image(tmp_path):
    path = tmp_path / "image.jpg"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n")
    with pytest.raises(
        ImageError, match=r"is a Git LFS pointer, not the image .`git lfs pull` fetches it"
    ):
        read_image(path)


def test_an_unreadable_file_is_named_in_one_line_by_a_loader_process_too(paths):
    truncated_path = paths[3]
    with open(truncated_path, "r+b") as file:
        file.truncate(100)
    with pytest.raises(ImageError) as error:
        view(paths, num_workers=1)
    assert truncated_path in str(error.value) and "\n" not in str(error.value)


def test_the_same_view_is_the_same_bit_for_bit(paths):
    first, second = view(paths), view(paths)
    assert all(torch.equal(first[index], second[index]) for index in range(12))


def test_seeds_views_and_images_are_augmented_differently(paths):
    same_image = [paths[0]] * 12
    drawn = [
        view(same_image, seed, number)[index]
        for seed in (0, 1)
        for number in (0, 1)
        for index in (0, 1)
    ]
    assert all(not torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


def test_neighbouring_images_of_neighbouring_views_share_no_draw(paths):
    draws = []
    for seed in range(3):
        for number in range(8):
            dataset = ViewDataset([paths[0]] * 8, ThreeGenerators(), seed, number)
            draws += [tuple(dataset[index][1].tolist()) for index in range(8)]
    for generator in zip(*draws, strict=True):
        assert len(set(generator)) == len(draws)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_a_view_does_not_depend_on_workers_or_order(paths, context):
    expected = view(paths)
    loaded = view(
        paths, num_workers=2, multiprocessing_context=context, sampler=list(range(11, -1, -1))
    )
    assert all(torch.equal(expected[index], loaded[index]) for index in range(12))


def test_the_global_generators_are_left_as_they_were(paths):
    def draw():
        return random.random(), np.random.rand(), torch.rand(2).tolist()

    def seed():
        random.seed(5), np.random.seed(5), torch.manual_seed(5)

    seed()
    expected = draw()
    seed()
    ViewDataset(paths, ThreeGenerators(), 0, 0)[4]
    with pytest.raises(KeyError), drawn_from(1):
        raise KeyError
    assert draw() == expected


def test_there_is_a_loader_process_for_any_machine():
    assert 1 <= default_workers() <= 8


@pytest.mark.parametrize("mode", ["I;16", "RGBA", "L"])
def test_a_models_own_transform_sees_what_the_bank_sees(tmp_path, mode):
    values = np.linspace(0, 65535 if mode == "I;16" else 255, 32 * 32).reshape(32, 32)
    image = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.uint8))
    if mode == "RGBA":
        image = Image.merge("RGBA", [image] * 4)
    image.save(tmp_path / "a.png")
    transform = Preprocessing(32).transform()
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.mode.startswith(mode) or mode == "RGBA"
        own = transform(opened)
    assert torch.equal(own, transform(read_image(tmp_path / "a.png")))
    assert own.std() > 0.2  # not cut at 255
