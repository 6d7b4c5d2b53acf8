"""Stanford Cars as a task of ELEVATER."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool
from softcpt.data.elevater import ElevaterDataset

from .stanford_cars import StanfordCars


@DATASET_REGISTRY.register()
class ElevaterCars(ElevaterDataset, StanfordCars):
    """The development kit's training and test images: 196 classes, the year behind make and
    model."""

    key = "stanford-cars"

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The annotations; names come with the year in front there."""
        for part, rows in StanfordCars.pools(self, folder, images):
            named = [
                (image, self.label(" ".join(name.split(" ", 1)[::-1])), "")
                for image, _, name in rows
            ]
            yield Pool("train" if part == "trainval" else part, named)
