"""CIFAR-10."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater_folders import holding
from softcpt.data.packed_images import Pack, PackedDataset, Pixels, read_arrays
from softcpt.data.source import Source

TORONTO = "https://www.cs.toronto.edu/~kriz"


class CIFAR(PackedDataset):
    """Pictures of 32 x 32 pixels in pickles: "data" (n, 3072), one colour after the other, and a
    list of labels.

    Attributes:
        batches: the files of each part.
        labelled: name of the list of labels.
    """

    batches: ClassVar[dict[str, tuple[str, ...]]] = {}
    labelled: ClassVar[str] = "labels"
    licence = "not stated; free to use with citation"
    citation = (
        "Krizhevsky: Learning multiple layers of features from tiny images. University of Toronto "
        "2009"
    )
    homepage = "https://www.cs.toronto.edu/~kriz/cifar.html"

    def pack(self, folder: Path, part: str) -> Pack | None:
        """The batches of a part, one after the other."""
        place = holding(folder, *itertools.chain(*self.batches.values()))
        if place is None or part not in self.batches or (place / self.batches[part][0]).is_dir():
            return None
        files = [place / name for name in self.batches[part]]
        labels = []
        for file in files:
            labels += read_arrays(file)[self.labelled]

        def read(numbers: Sequence[int]) -> Pixels:
            batches: list[Pixels] = [read_arrays(file)["data"] for file in files]
            chosen = np.concatenate(batches)[list(numbers)]
            pixels: Pixels = chosen.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            return pixels

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
    pack_classes = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
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
