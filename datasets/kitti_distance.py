"""KITTI's distance task of VTAB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool, Row
from softcpt.data.elevater import ElevaterDataset
from softcpt.data.elevater_folders import holding
from softcpt.data.source import Source
from softcpt.errors import UserError

HOST = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
SHA256 = {
    "image_2": "351c5a2aa0cd9238b50174a3a62b846bc5855da256b82a196431d60ff8d43617",
    "label_2": "4efc76220d867e1c31bb980bbf8cbc02599f02a9cb4350effa98dbb04aaed880",
}
VEHICLES = ("Car", "Van", "Truck")
BOUNDS = (8.0, 20.0)  # metres ahead of the camera
SEED = 123  # of the published split
SHARE = 10  # percent of the drives for testing, and of all drives for validation


@DATASET_REGISTRY.register()
class KITTIDistance(ElevaterDataset):
    """Photos from a moving car by the distance of the closest vehicle: below 8 m, below 20 m,
    farther, none in sight.

    ``Kitti/raw/training/{image_2,label_2}`` and, for the split,
    ``mapping/{train_rand,train_mapping}.txt`` of ``devkit_object.zip``. The split is that of VTAB
    (TensorFlow Datasets): a tenth of the drives for testing, another for validation.
    """

    key = "kitti-distance"
    skips_wrappers = False
    dataset_dir = "Kitti"
    sources = (
        *(
            Source(
                f"{HOST}/data_object_{kind}.zip",
                f"data_object_{kind}.zip",
                unpack_to="raw",
                gives=f"raw/training/{kind}",
                sha256=sha256,
            )
            for kind, sha256 in SHA256.items()
        ),
        Source(
            f"{HOST}/devkit_object.zip",
            "devkit_object.zip",
            sha256="cfde67e531832618ea0fd4844f91e34a45068025e2bef79e278cb812dc2537d0",
            unpack_to="raw/devkit",
            gives="raw/devkit/mapping",
        ),
    )
    licence = "CC BY-NC-SA 3.0"
    citation = (
        "Geiger, Lenz, Urtasun: Are we ready for autonomous driving? CVPR 2012; Zhai et al., "
        "arXiv:1910.04867"
    )
    homepage = "https://www.cvlibs.net/datasets/kitti/eval_object.php"

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The images of each part's drives."""
        training = holding(folder, "image_2", "label_2")
        mapping = holding(folder, "train_rand.txt", "train_mapping.txt")
        if training is None or mapping is None:
            what = "train_rand.txt beside train_mapping.txt"
            if training is None:
                what = "image_2 beside label_2"
            raise UserError(f"data set {self.name()}: no {what} in {folder}; {self.advice}")
        prefix = (training / "image_2").relative_to(images).as_posix()
        for part, numbers in parts_of_drives(drives(mapping)).items():
            yield Pool(part, list(self._rows(training / "label_2", prefix, numbers)))

    def _rows(self, labels: Path, prefix: str, numbers: list[int]) -> Iterator[Row]:
        for number in numbers:
            objects = self.lines(labels / f"{number:06}.txt")
            yield f"{prefix}/{number:06}.png", distance_class(objects), ""


def distance_class(lines: Iterable[str]) -> int:
    """The class of an image from the lines of its objects: the kind is the first word, metres ahead
    the fourteenth."""
    objects = (line.split() for line in lines)
    closest = min((float(words[13]) for words in objects if words[0] in VEHICLES), default=None)
    return len(BOUNDS) + 1 if closest is None else sum(closest >= bound for bound in BOUNDS)


def drives(mapping: Path) -> dict[str, list[int]]:
    """The images of each drive, from the lists of the development kit.

    Line ``train_rand[i]`` of ``train_mapping.txt``, counted from 1, is image i's: date, drive,
    frame.
    """
    order = [
        int(word)
        for word in (mapping / "train_rand.txt").read_text(encoding="utf-8").split(",")
        if word.strip()
    ]
    lines = (mapping / "train_mapping.txt").read_text(encoding="utf-8").splitlines()
    found: dict[str, list[int]] = {}
    for image, line in enumerate(order):
        found.setdefault(lines[line - 1].split()[1], []).append(image)
    return found


def parts_of_drives(images: dict[str, list[int]]) -> dict[str, list[int]]:
    """Images by part: the draw of TensorFlow Datasets, which NumPy's old generator repeats."""
    generator, count = np.random.RandomState(SEED), max(1, SHARE * len(images) // 100)
    test = set(generator.choice(sorted(images), count, replace=False))
    val = set(generator.choice(sorted(set(images) - test), count, replace=False))
    parts: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for drive, numbers in images.items():
        if drive in test:
            parts["test"] += numbers
        elif drive in val:
            parts["val"] += numbers
        else:
            parts["train"] += numbers
    return parts
