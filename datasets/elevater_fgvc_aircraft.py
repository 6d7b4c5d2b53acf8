"""FGVC-Aircraft as a task of ELEVATER."""

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool
from softcpt.data.elevater import ElevaterDataset

from .fgvc_aircraft import AircraftImages


@DATASET_REGISTRY.register()
class ElevaterFGVCAircraft(AircraftImages, ElevaterDataset):
    """The official lists of variants: 100 classes, two of which are called otherwise (F-16A-B,
    F-A-18)."""

    key = "fgvc-aircraft-2013b-variants102"
    own_folder = False

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The official lists."""
        for part, rows in self.listed(images):
            yield Pool(part, [(image, self.label(variant), "") for image, _, variant in rows])
