"""Ten kinds of clothing, photographed by volunteers."""

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool
from softcpt.data.photo16 import FixedSplitDataset
from softcpt.data.pools import below
from softcpt.data.source import Source

PARTS = {"train": "train", "validation": "val", "test": "test"}


@DATASET_REGISTRY.register()
class ClothingSmall(FixedSplitDataset):
    """The ten most frequent classes of the Clothing dataset, divided by their publisher.
    ``clothing-dataset-small/{train,validation,test}/<class>/*.jpg``."""

    dataset_dir = "clothing-dataset-small"
    aliases = ("clothing-dataset-small-master",)
    renamed = {"longsleeve": "long-sleeved shirt", "outwear": "outerwear"}
    task_name = "clothing image classification"
    template = "a photo of a {}, a type of clothing."
    num_classes = 10
    sizes = (3068, 341, 372)
    sources = (
        Source(
            "https://github.com/alexeygrigorev/clothing-dataset-small/archive/refs/heads/master.zip",
            "clothing-dataset-small.zip",
            unpack_to=".",
            rename=(("clothing-dataset-small-master", "."),),
            gives="train",
        ),
    )
    licence = "CC0 1.0"
    citation = "Grigorev: Clothing dataset (full, high resolution). Kaggle 2020"
    homepage = "https://github.com/alexeygrigorev/clothing-dataset-small"

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The publisher's three folders."""
        parts = {name: self.by_class(images / name) for name in PARTS}
        labels = {name: number for number, name in enumerate(sorted(set().union(*parts.values())))}
        for name, classes in parts.items():
            rows = [
                (below(name, path), labels[label], self.class_name(label))
                for label, paths in classes.items()
                for path in paths
            ]
            yield Pool(PARTS[name], rows)
