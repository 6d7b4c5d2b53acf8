"""AID."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class AID(SceneDataset):
    """Aerial scenes from Google Earth, 600 x 600 pixels: 30 classes.
    ``AID/<Class>/<class>_1.jpg``."""

    dataset_dir = "AID"
    aliases = ("AID_dataset",)
    task_name = "aerial scene image classification"
    num_classes = 30
    images = 10000
    sources = (
        Source(
            "jiayuanchengala/aid-scene-classification-datasets",
            "aid-scene-classification-datasets.zip",
            "kaggle",
            unpack_to=".",
            gives="AID",
            note="official page: https://captain-whu.github.io/AID/",
        ),
    )
    licence = "research use"
    citation = (
        "Xia et al.: AID: a benchmark data set for performance evaluation of aerial scene "
        "classification. TGRS 2017"
    )
    homepage = "https://captain-whu.github.io/AID/"
