"""Oxford Flowers-102 as a task of ELEVATER."""

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY
from scipy.io import loadmat

from softcpt.data.base import Pool
from softcpt.data.elevater import ElevaterDataset
from softcpt.data.source import Source

from .oxford_flowers import VGG, FlowersImages

PARTS = {"train": "trnid", "val": "valid", "test": "tstid"}


@DATASET_REGISTRY.register()
class ElevaterFlowers102(FlowersImages, ElevaterDataset):
    """The official split of ``setid.mat``, beside ``imagelabels.mat`` and ``jpg``: 102 classes, 10
    training images."""

    key = "oxford-flower-102"
    own_folder = False
    sources = (
        *FlowersImages.sources,
        Source(f"{VGG}setid.mat", "setid.mat", md5="a5357ecc9cb78c4bef273ce3793fc85c"),
    )

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The numbers of each part's images; the i-th label is image i's; both count from 1."""
        labels = loadmat(self.needed(images.parent / "imagelabels.mat"))["labels"][0]
        parts = loadmat(self.needed(images.parent / "setid.mat"))
        for part, name in PARTS.items():
            numbers = parts[name][0].tolist()
            rows = [(f"image_{n:05}.jpg", self.label(str(labels[n - 1])), "") for n in numbers]
            yield Pool(part, rows)
