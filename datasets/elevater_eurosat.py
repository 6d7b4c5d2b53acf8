"""EuroSAT as a task of ELEVATER."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater import ElevaterDataset

from .eurosat import EuroSAT


@DATASET_REGISTRY.register()
class ElevaterEuroSAT(ElevaterDataset, EuroSAT):
    """1,500 images of each of 10 classes, as CLIP's authors drew them: a third each for training,
    validation and tests.

    Their list is not to be had: ``--draw-split`` draws one of its sizes.
    """

    key = "eurosat_clip"
    rule = "drawn"
    per_class = (500, 500, 500)
