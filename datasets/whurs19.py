"""WHU-RS19."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class WHURS19(SceneDataset):
    """Satellite scenes from Google Earth, 600 x 600 pixels: 19 classes.
    ``WHU-RS19/<Class>/<class>_01.jpg``."""

    dataset_dir = "WHU-RS19"
    task_name = "satellite scene image classification"
    num_classes = 19
    images = 1005
    sources = (
        Source(
            "https://github.com/CAPTAIN-WHU/BED4RS/raw/main/datasets/WHU-RS19.zip",
            "WHU-RS19.zip",
            unpack_to=".",
            gives="WHU-RS19",
        ),
    )
    licence = "research use"
    citation = (
        "Xia et al.: Structural high-resolution satellite image indexing. ISPRS TC VII Symposium "
        "2010"
    )
    homepage = "https://captain-whu.github.io/BED4RS/"
