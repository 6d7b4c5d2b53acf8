"""Oxford-IIIT Pets as a task of ELEVATER."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool
from softcpt.data.elevater import ElevaterDataset

from .oxford_pets import OxfordPets


@DATASET_REGISTRY.register()
class ElevaterPets(ElevaterDataset, OxfordPets):
    """The official lists ``annotations/{trainval,test}.txt``, the first of them for training: 37
    classes."""

    key = "oxford-iiit-pets"

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The official lists."""
        for part, rows in OxfordPets.pools(self, folder, images):
            named = [(image, self.label(breed), "") for image, _, breed in rows]
            yield Pool("train" if part == "trainval" else part, named)
