"""Oxford-IIIT Pets as a task of ELEVATER."""

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool
from softcpt.data.elevater import ElevaterDataset

from .oxford_pets import PetsImages


@DATASET_REGISTRY.register()
class ElevaterPets(PetsImages, ElevaterDataset):
    """The official lists ``annotations/{trainval,test}.txt``, the first of them for training: 37
    classes."""

    key = "oxford-iiit-pets"
    own_folder = False

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The official lists."""
        for part, rows in self.listed(images):
            named = [(image, self.label(breed), "") for image, _, breed in rows]
            yield Pool("train" if part == "trainval" else part, named)
