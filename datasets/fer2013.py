"""FER-2013."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool, Row
from softcpt.data.elevater_folders import below
from softcpt.data.packed_images import Pack, PackedDataset, Pixels, csv_rows
from softcpt.data.source import Source

FILES = ("fer2013.csv", "icml_face_data.csv")
USAGE = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}


@DATASET_REGISTRY.register()
class FER2013(PackedDataset):
    """Faces, grey, 48 x 48 pixels: 7 emotions. Validation images are the "public", test images the
    "private" test set.

    ``fer2013/fer2013.csv`` or ``icml_face_data.csv``, or class folders ``train/angry`` and so on;
    where these have the names of Kaggle's copy (``PublicTest_*.jpg``), images of the public test
    set are taken out of its test folder. ``train.csv`` of the competition's first archive has no
    test labels and is not enough.
    """

    key = "fer-2013"
    dataset_dir = "fer2013"
    pack_classes = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    sources = (
        Source(
            "msambare/fer2013",
            "fer2013.zip",
            "kaggle",
            unpack_to=".",
            gives="train",
            note="or fer2013.csv of the competition "
            "challenges-in-representation-learning-facial-expression-recognition-challenge",
        ),
    )
    licence = "not stated; images from web search"
    citation = (
        "Goodfellow et al.: Challenges in representation learning: a report on three contests. "
        "ICONIP 2013"
    )
    homepage = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"

    def pack(self, folder: Path, part: str) -> Pack | None:
        """The rows of a part: a number, 2304 grey values, and what the image is used for."""
        path = _table(folder)
        if path is None:
            return None

        def rows() -> Iterator[dict[str, str]]:
            return (row for row in csv_rows(path) if row["Usage"].strip() == USAGE[part])

        def read(numbers: Sequence[int]) -> Iterator[Pixels]:
            wanted, pixels = set(numbers), {}
            for number, row in enumerate(rows()):
                if number in wanted:
                    pixels[number] = np.array(row["pixels"].split(), np.uint8).reshape(48, 48)
            return (pixels[number] for number in numbers)

        return Pack([int(row["emotion"]) for row in rows()], read)

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """As for other sets; the images of a test folder go where their names say."""
        for part, rows in super().pools(folder, images):
            public = [row for row in rows if _is_public(row)]
            if part == "test" and 0 < len(public) < len(rows):
                yield Pool("val", public)
                yield Pool("test", [row for row in rows if not _is_public(row)])
            else:
                yield Pool(part, rows)


def _is_public(row: Row) -> bool:
    return row[0].rpartition("/")[2].startswith("PublicTest")


def _table(folder: Path) -> Path | None:
    """The nearest of :data:`FILES`."""
    for place in below(folder):
        for name in FILES:
            if (place / name).is_file():
                return place / name
    return None
