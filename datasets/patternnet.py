"""PatternNet."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source

HOST = "https://huggingface.co/datasets/torchgeo/PatternNet/resolve/2dbd901b00e301967a5c5146b25454f5d3455ad0/"


@DATASET_REGISTRY.register()
class PatternNet(SceneDataset):
    """Scenes of US cities, 256 x 256 pixels: 38 classes of 800.
    ``PatternNet/images/<class>/<class>001.jpg``."""

    dataset_dir = "PatternNet"
    task_name = "overhead city scene image classification"
    num_classes = 38
    sizes = (15200, 6080, 9120)
    sources = (
        Source(
            f"{HOST}PatternNet.zip",
            "PatternNet.zip",
            sha256="456dd031950b0429518b8ec7d30a5c4b3f6456261ee1dd573a3eee43efb29958",
            unpack_to="..",
            gives="images",
        ),
    )
    licence = "research use"
    citation = (
        "Zhou, Newsam, Li, Shao: PatternNet: a benchmark dataset for remote sensing image "
        "retrieval. ISPRS 2018"
    )
    homepage = "https://sites.google.com/view/zhouwx/dataset"
