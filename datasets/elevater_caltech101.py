"""Caltech-101 as a task of ELEVATER."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater import ElevaterDataset

from .caltech101 import Caltech101Images


@DATASET_REGISTRY.register()
class ElevaterCaltech101(Caltech101Images, ElevaterDataset):
    """All 102 folders, the background and both sets of faces among them: 30 images of each for
    training.

    ELEVATER's list cannot be downloaded: ``--draw-split`` draws one of its sizes.
    """

    key = "caltech-101"
    own_folder = False
    rule = "drawn"
    per_class = (30, 0, None)
