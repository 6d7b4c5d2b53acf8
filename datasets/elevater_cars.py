"""Stanford Cars as a task of ELEVATER."""

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool
from softcpt.data.elevater import ElevaterDataset

from .stanford_cars import CarsImages


@DATASET_REGISTRY.register()
class ElevaterCars(CarsImages, ElevaterDataset):
    """The development kit's training and test images: 196 classes, the year behind make and
    model."""

    key = "stanford-cars"
    own_folder = False

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The annotations, all training images for training."""
        for part, rows in self.annotated(images):
            named = [(image, self.label(name), "") for image, _, name in rows]
            yield Pool("train" if part == "trainval" else part, named)
