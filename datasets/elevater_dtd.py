"""Describable Textures as a task of ELEVATER."""

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool
from softcpt.data.elevater import ElevaterDataset

from .dtd import DTDImages


@DATASET_REGISTRY.register()
class ElevaterDTD(DTDImages, ElevaterDataset):
    """The first of the ten official splits, ``dtd/labels/{train,val,test}1.txt``: 47 classes."""

    key = "dtd"
    own_folder = False

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The official lists: a line is an image's path, which begins with its class."""
        for part in ("train", "val", "test"):
            lines = self.lines(images.parent / "labels" / f"{part}1.txt")
            yield Pool(part, [(line, self.label(line.split("/")[0]), "") for line in lines])
