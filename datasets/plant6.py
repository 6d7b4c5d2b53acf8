"""Plant-6 of SoftCPT."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.multitask import MultiTaskDataset


@DATASET_REGISTRY.register()
class Plant6(MultiTaskDataset):
    """Six data sets of plants in SoftCPT's order: 6 tasks, 116 classes."""

    dataset_dir = "plant6"
    members = (
        "FruitVegetable",
        "KaggleFlower",
        "KaggleMushroom",
        "KaggleVegetable",
        "PlantSeedlingV1",
        "PlantVillage",
    )
