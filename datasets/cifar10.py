"""CIFAR-10."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater import holding
from softcpt.data.packed_images import Pack, PackedDataset, read_arrays
from softcpt.data.source import Source

TORONTO = "https://www.cs.toronto.edu/~kriz"


class CIFAR(PackedDataset):
    """Pictures of 32 x 32 pixels in pickles: "data" (n, 3072), a colour after the other, and a list
    of labels.

    Attributes:
        batches: the files of each part.
        labelled: the list's name.
    """

    batches: dict[str, tuple[str, ...]] = {}
    labelled = "labels"
    licence = "not stated; free to use with citation"
    citation = "Krizhevsky: Learning multiple layers of features from tiny images. University of Toronto 2009"
    homepage = "https://www.cs.toronto.edu/~kriz/cifar.html"

    def pack(self, folder: Path, part: str) -> Pack | None:
        """The batches of a part, one after the other."""
        place = holding(folder, *(name for names in self.batches.values() for name in names))
        if place is None or part not in self.batches or (place / self.batches[part][0]).is_dir():
            return None
        files = [place / name for name in self.batches[part]]
        labels = [label for file in files for label in read_arrays(file)[self.labelled]]

        def read(numbers: Sequence[int]) -> np.ndarray:
            pixels = np.concatenate([read_arrays(file)["data"] for file in files])[list(numbers)]
            return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)

        return Pack(labels, read)


@DATASET_REGISTRY.register()
class CIFAR10(CIFAR):
    """Animals and vehicles, 32 x 32 pixels: 10 classes.

    ``cifar-10/cifar-10-batches-py/data_batch_1`` (or ``cifar-10-batches-py`` itself), or class
    folders ``cifar10/{train,test}/<class>/*.png``.
    """

    key = "cifar-10"
    dataset_dir = "cifar-10"
    aliases = ("cifar-10-batches-py", "cifar10_png")
    batches = {
        "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test": ("test_batch",),
    }
    pack_classes = tuple(
        ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    )
    sources = (
        Source(
            f"{TORONTO}/cifar-10-python.tar.gz",
            "cifar-10-python.tar.gz",
            md5="c58f30108f718f92721af3b95e74349a",
            unpack_to=".",
            gives="cifar-10-batches-py",
        ),
    )
