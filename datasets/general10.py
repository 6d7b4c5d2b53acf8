"""General-10 of SoftCPT."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.multitask import MultiTaskDataset


@DATASET_REGISTRY.register()
class General10(MultiTaskDataset):
    """Ten data sets of CoOp in SoftCPT's order: 10 tasks, 1,191 classes."""

    dataset_dir = "general10"
    members = (
        "Caltech101",
        "DescribableTextures",
        "EuroSAT",
        "FGVCAircraft",
        "Food101",
        "OxfordFlowers",
        "OxfordPets",
        "StanfordCars",
        "SUN397",
        "UCF101",
    )
