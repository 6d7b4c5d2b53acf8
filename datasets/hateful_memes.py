"""Hateful Memes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool
from softcpt.data.elevater import ElevaterDataset
from softcpt.data.elevater_folders import holding
from softcpt.data.pools import below
from softcpt.data.source import Source
from softcpt.errors import UserError

LISTS = {"train": ("train.jsonl",), "test": ("dev_seen.jsonl", "dev.jsonl")}


@DATASET_REGISTRY.register()
class HatefulMemes(ElevaterDataset):
    """Pictures with words that are hateful together, or not: 2 classes.
    ``hateful_memes/img/01235.png``.

    ``train.jsonl`` and, for testing, ``dev_seen.jsonl`` or ``dev.jsonl``: the labels of the test
    set came much later. The metric is accuracy, as in MVLPT's code of today; at the time of its
    paper it was the area under the ROC curve: ``DATASET.METRICS "['hateful-memes=roc_auc']"``.
    """

    key = "hateful-memes"
    skips_wrappers = False
    dataset_dir = "hateful_memes"
    sources = (
        Source(
            "parthplc/facebook-hateful-meme-dataset",
            "facebook-hateful-meme-dataset.zip",
            "kaggle",
            unpack_to=".",
            gives="train.jsonl",
            rename=(("data", "."),),
            note="a copy; the publisher's own needs a form: https://hatefulmemeschallenge.com",
        ),
    )
    licence = "Hateful Memes licence agreement of Facebook AI; images by Getty"
    citation = (
        "Kiela et al.: The hateful memes challenge: detecting hate speech in multimodal memes. "
        "NeurIPS 2020"
    )
    homepage = "https://hatefulmemeschallenge.com"

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """A line is an image's path, its label and its words."""
        for part, names in LISTS.items():
            path = _first_beside_images(folder, names)
            if path is None:
                wanted = f"{' or '.join(names)} beside img"
                raise UserError(f"data set {self.name()}: no {wanted} in {folder}; {self.advice}")
            prefix = path.parent.relative_to(images).as_posix()
            listed = [json.loads(line) for line in self.lines(path)]
            yield Pool(part, [(below(prefix, row["img"]), int(row["label"]), "") for row in listed])


def _first_beside_images(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of the lists ``names`` that lies beside the folder of the images."""
    for name in names:
        place = holding(folder, name, "img")
        if place is not None:
            return place / name
    return None
