"""RSSCN7 with a fixed split (Photo-16)."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.photo16 import FixedSplitDataset

from .rsscn7 import RSSCN7


@DATASET_REGISTRY.register()
class Photo16RSSCN7(FixedSplitDataset, RSSCN7):
    """RSSCN7's scenes with the split of Photo-16. ``RSSCN7/aGrass/a001.jpg``."""

    split_files = ()
    own_folder = False
