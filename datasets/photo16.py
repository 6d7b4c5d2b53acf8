"""Photo-16: sixteen tasks of real photos."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.multitask import MultiTaskDataset


@DATASET_REGISTRY.register()
class Photo16(MultiTaskDataset):
    """Photos of objects, animals, land, plants, clothes and textures: 16 tasks, 152 classes, with
    fixed splits (docs/photo16.md)."""

    members = (
        "Photo16Caltech101",
        "Photo16RSSCN7",
        "CIFAR10",
        "TFFlowers",
        "Photo16Seedlings",
        "ClothingSmall",
        "Photo16Textures",
    )
