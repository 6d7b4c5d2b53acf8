"""EuroSAT as a task of ELEVATER."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater import ElevaterDataset

from .eurosat import EuroSATImages


@DATASET_REGISTRY.register()
class ElevaterEuroSAT(EuroSATImages, ElevaterDataset):
    """1,500 images of each of 10 classes, as CLIP's authors drew them: a third each for training,
    validation and tests.

    Their list cannot be downloaded: ``--draw-split`` draws one of its sizes.
    """

    key = "eurosat_clip"
    own_folder = False
    rule = "drawn"
    per_class = (500, 500, 500)
