"""Food-101 as a task of ELEVATER."""

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool
from softcpt.data.elevater import ElevaterDataset

from .food101 import Food101Images


@DATASET_REGISTRY.register()
class ElevaterFood101(Food101Images, ElevaterDataset):
    """The official lists ``food-101/meta/{train,test}.txt``: 101 classes of 750 and 250 images."""

    key = "food-101"
    own_folder = False

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The official lists: a line is an image's path without its ending, which begins with its
        class."""
        for part in ("train", "test"):
            lines = self.lines(images.parent / "meta" / f"{part}.txt")
            rows = [(f"{line}.jpg", self.label(line.split("/")[0]), "") for line in lines]
            yield Pool(part, rows)
