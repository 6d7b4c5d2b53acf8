"""OPTIMAL-31."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class OPTIMAL31(SceneDataset):
    """Scenes from Google Earth, 256 x 256 pixels: 31 classes of 60.
    ``OPTIMAL-31/Images/<class>/<class>1.jpg``."""

    dataset_dir = "OPTIMAL-31"
    task_name = "Google Earth scene image classification"
    num_classes = 31
    sizes = (930, 372, 558)
    sources = (
        Source(
            "http://crabwq.github.io/",
            "OPTIMAL-31.zip",
            "manual",
            unpack_to=".",
            note="the link is on the page of the authors; unpack Images/ into OPTIMAL-31/",
        ),
    )
    licence = "research use"
    citation = (
        "Wang et al.: Scene classification with recurrent attention of VHR remote sensing images. "
        "TGRS 2019"
    )
    homepage = "http://crabwq.github.io/"
