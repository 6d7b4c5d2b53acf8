"""Plant seedlings with a fixed split (Photo-16)."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.photo16 import FixedSplitDataset

from .plant_seedling import PlantSeedlingV1


@DATASET_REGISTRY.register()
class Photo16Seedlings(FixedSplitDataset, PlantSeedlingV1):
    """Seedlings with the split of Photo-16. ``PlantSeedlingV1/Nonsegmented/<species>/1.png``."""

    own_folder = False
