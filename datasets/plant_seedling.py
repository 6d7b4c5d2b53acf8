"""Plant Seedlings (Plant-6)."""

from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class PlantSeedlingV1(TaskDataset):
    """Seedlings of several ages, not segmented: 12 species.
    ``PlantSeedlingV1/Nonsegmented/<species>/1.png``."""

    dataset_dir = "PlantSeedlingV1"
    image_dir = "Nonsegmented"
    split_files: ClassVar[tuple[str, ...]] = (
        "split_dk_PlantSeedlingV1.json",
        "split_zhou_PlantSeedlingV1.json",
    )
    task_name = "plant seedling image classification"
    template = "a photo of a {}, a type of seedling."
    num_classes = 12
    sources = (
        Source(
            "https://vision.eng.au.dk/plant-seedlings-dataset/",
            "Nonsegmented.zip",
            "manual",
            unpack_to=".",
            gives="Nonsegmented",
            note="take version 1, the images that are not segmented",
        ),
    )
    licence = "CC BY-SA 4.0"
    citation = (
        "Giselsson et al.: A public image database for benchmark of plant seedling classification. "
        "arXiv:1711.05458"
    )
    homepage = "https://vision.eng.au.dk/plant-seedlings-dataset/"
