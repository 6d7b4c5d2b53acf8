"""NWPU-RESISC45."""

from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.dataset_facts import Publication
from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source

HOST = "https://huggingface.co/datasets/torchgeo/resisc45/resolve/a826b44d938a883185f11ebe3d512d38b464312f/"


class RESISC45Images(Publication):
    """Scenes from Google Earth, 256 x 256 pixels."""

    dataset_dir = "NWPU-RESISC45"
    aliases = ("RESISC45", "NWPU")
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            f"{HOST}NWPU-RESISC45.zip",
            "NWPU-RESISC45.zip",
            md5="75206b2e16446591afa88e2628744886",
            unpack_to="..",
            gives="airplane",
        ),
    )
    licence = "research use"
    citation = (
        "Cheng, Han, Lu: Remote sensing image scene classification: benchmark and state of the "
        "art. Proc. IEEE 2017"
    )
    homepage = "https://doi.org/10.1109/JPROC.2017.2675998"


@DATASET_REGISTRY.register()
class RESISC45(RESISC45Images, SceneDataset):
    """Scenes from Google Earth, 256 x 256 pixels: 45 classes of 700.
    ``NWPU-RESISC45/<class>/<class>_001.jpg``."""

    task_name = "remote sensing scene image classification"
    num_classes = 45
    sizes = (15750, 6300, 9450)
    renamed = {"sea_ice": "sea ice", "seaice": "sea ice"}
