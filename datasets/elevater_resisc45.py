"""RESISC45 as a task of ELEVATER."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater import ElevaterDataset

from .resisc45 import RESISC45Images


@DATASET_REGISTRY.register()
class ElevaterRESISC45(RESISC45Images, ElevaterDataset):
    """45 classes of 700 images: a tenth each for training and validation, the rest for tests, as
    CLIP's authors did.

    Their list cannot be downloaded: ``--draw-split`` draws one of its sizes, with the same number
    of images of each class.
    """

    key = "resisc45_clip"
    own_folder = False
    rule = "drawn"
    per_class = (70, 70, None)
