"""RS_C11."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class RSC11(SceneDataset):
    """Scenes of US cities from Google Earth, 512 x 512 pixels: 11 classes.
    ``RS_C11_Database/<class>/*.tif``."""

    dataset_dir = "RS_C11_Database"
    aliases = ("RS_C11", "RSC11")
    renamed = {
        "denseforest": "dense forest",
        "highbuildings": "high buildings",
        "lowbuildings": "low buildings",
        "residentialarea": "residential area",
        "sparseforest": "sparse forest",
        "storagetanks": "storage tanks",
    }
    task_name = "US city scene image classification"
    num_classes = 11
    images = 1232
    sources = (
        Source(
            "https://www.researchgate.net/publication/271647282_RS_C11_Database",
            "RS_C11_Database.rar",
            "manual",
            unpack_to=".",
            note="unpack the class folders into RS_C11_Database/",
        ),
    )
    licence = "research use"
    citation = (
        "Zhao, Tang, Huo: Feature significance-based multibag-of-visual-words model. J. Appl. "
        "Remote Sensing 2016"
    )
    homepage = "https://www.researchgate.net/publication/271647282_RS_C11_Database"
