"""Counts images a second: of decoders, the whole pre-processing, and the feature bank with 0, 1 and
2 loader processes.

    python benchmarks/decode.py [--images 256] [--rounds 5] [--model tf_efficientnet_lite0]

Prints one JSON line. Images are generated: 500 x 375 JPEGs of about 85 kB with the spectrum of
photographs. ``max_difference`` is against Pillow, in 8-bit levels: of the decoded image, and of the
resized and cropped one. Decoders that are not installed (simplejpeg, cv2) are left out. Readings
are best of ``--rounds`` alternating rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision.io
from PIL import Image
from torchvision import transforms
from torchvision.transforms import v2
from workloads import report

from softcpt.features.bank import FeatureBank
from softcpt.features.images import read_image

BICUBIC = transforms.InterpolationMode.BICUBIC
CROP = [transforms.Resize(224, BICUBIC), transforms.CenterCrop(224)]
NORMALIZE = transforms.Normalize((0.48, 0.46, 0.41), (0.27, 0.26, 0.28))
PUBLISHED = transforms.Compose([*CROP, transforms.ToTensor(), NORMALIZE])
PIXELS = transforms.Compose([*CROP, transforms.PILToTensor()])
TENSORS = v2.Compose([v2.Resize(224, BICUBIC, antialias=True), v2.CenterCrop(224)])


def make_images(folder: Path, count: int) -> list[str]:
    """Write ``count`` JPEGs: octaves of smooth noise whose amplitude falls with frequency."""
    rng = np.random.default_rng(0)
    for index in range(count):
        image = rng.normal(size=(375, 500, 3)) * 0.5
        for scale in (2, 4, 8, 16, 32, 64, 128):
            noise = torch.from_numpy(rng.normal(size=(1, 3, 375 // scale + 1, 500 // scale + 1)))
            smooth = torch.nn.functional.interpolate(noise, (375, 500), mode="bilinear")
            image += smooth[0].permute(1, 2, 0).numpy() * scale**0.15
        pixels = (image / image.std() * 50 + 120).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.jpg", quality=90)
    return sorted(str(path) for path in folder.iterdir())


def decoders() -> dict[str, Callable[[str], Image.Image | torch.Tensor]]:
    """Readers of one path: an RGB image, or (3, H, W) uint8 for torchvision."""

    def draft(path: str) -> Image.Image:
        image = Image.open(path)
        image.draft("RGB", (299, 224))
        return image.convert("RGB")

    found = {
        "pillow": read_image,
        "pillow draft": draft,
        "torchvision": lambda path: torchvision.io.decode_image(path, mode="RGB"),
    }
    if importlib.util.find_spec("simplejpeg"):
        import simplejpeg

        found["simplejpeg"] = lambda path: Image.fromarray(
            simplejpeg.decode_jpeg(Path(path).read_bytes(), fastdct=False, fastupsample=False)
        )
    if importlib.util.find_spec("cv2"):
        import cv2

        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        found["cv2"] = lambda path: Image.fromarray(cv2.imread(path, flags))
    return found


def crop(image: Image.Image | torch.Tensor) -> torch.Tensor:
    """Resized and centre-cropped pixels (3, 224, 224), uint8."""
    return TENSORS(image) if torch.is_tensor(image) else PIXELS(image)


def levels(image: Image.Image | torch.Tensor) -> torch.Tensor:
    """Pixels (3, H, W) as integers."""
    return (image if torch.is_tensor(image) else v2.functional.pil_to_tensor(image)).int()


def rate(function: Callable[[str], object], paths: list[str]) -> float:
    """Calls a second."""
    start = time.perf_counter()
    for path in paths:
        function(path)
    return len(paths) / (time.perf_counter() - start)


def compare_decoders(paths: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Speed and exactness of every decoder, in this process and one thread."""
    readers, report = decoders(), {}
    for name, read in readers.items():
        pairs = [(read(path), read_image(path)) for path in paths[:16]]
        decoded = [
            (levels(a) - levels(b)).abs().max().item()
            for a, b in pairs
            if levels(a).shape == levels(b).shape
        ]
        cropped = [(crop(a).int() - crop(b).int()).abs().max().item() for a, b in pairs]
        report[name] = {
            "max_difference": [max(decoded, default=None), max(cropped)],
            "decode": 0,
            "decode_crop": 0,
        }
    for _ in range(rounds):
        for name, read in readers.items():
            row = report[name]
            row["decode"] = max(row["decode"], round(rate(read, paths)))
            row["decode_crop"] = max(
                row["decode_crop"], round(rate(lambda path, read=read: crop(read(path)), paths))
            )
    return report


class Tower:
    """A randomly initialised image tower, as the bank wants it."""

    fingerprint, precision, device = "random", "fp32", torch.device("cpu")

    def __init__(self, name: str) -> None:
        self.name, self.encode_image = name, timm.create_model(name, num_classes=0).eval()
        self.embed_dim = self.encode_image.num_features


def compare_workers(paths: list[str], tower: Tower, rounds: int) -> dict[str, float]:
    """Images a second through the feature bank, and through the model alone."""
    best = dict.fromkeys(["model alone", "0 workers", "1 workers", "2 workers"], 0.0)
    images = torch.stack([PUBLISHED(read_image(path)) for path in paths[:64]])
    for _ in range(rounds):
        for name in best:
            with tempfile.TemporaryDirectory() as folder, torch.no_grad():
                start = time.perf_counter()
                if name == "model alone":
                    for _ in paths[::64]:
                        tower.encode_image(images)
                else:
                    FeatureBank(folder, tower, workers=int(name[0]), progress=False).features(
                        paths, PUBLISHED
                    )
                best[name] = max(best[name], round(len(paths) / (time.perf_counter() - start), 1))
    return best


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="tf_efficientnet_lite0", help="of timm")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = make_images(Path(folder), args.images)
        size = sum(Path(path).stat().st_size for path in paths) / len(paths)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        speeds = compare_decoders(paths, args.rounds)
        torch.set_num_threads(threads)
        figures = {
            "file_kb": round(size / 1e3),
            "images_per_second": speeds,
            "bank_images_per_second": {
                args.model: compare_workers(paths, Tower(args.model), max(args.rounds // 2, 1))
            },
        }
    report(**figures)


if __name__ == "__main__":
    main()
