"""EuroSAT."""

from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.coop_mirror import coop_split, mirrored
from softcpt.data.dataset_facts import Publication
from softcpt.data.source import Source

HOST = "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/"


class EuroSATImages(Publication):
    """Sentinel-2 pictures of land use, 64 x 64 pixels."""

    dataset_dir = "eurosat"
    image_dir = "2750"
    image_aliases = ("EuroSAT_RGB",)  # in Zenodo's archive
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            f"{HOST}EuroSAT.zip",
            "EuroSAT.zip",
            md5="c8fa014336c82ac7804f0398fcb19387",
            unpack_to=".",
            gives="2750",
        ),
    )
    licence = "MIT"
    citation = (
        "Helber, Bischke, Dengel, Borth: EuroSAT: a novel dataset and benchmark for land use. "
        "JSTARS 2019"
    )
    homepage = "https://github.com/phelber/EuroSAT"


@DATASET_REGISTRY.register()
class EuroSAT(EuroSATImages, TaskDataset):
    """Sentinel-2 pictures of land use, 64 x 64 pixels: 10 classes.
    ``eurosat/2750/<class>/<class>_1.jpg``."""

    split_files = ("split_zhou_EuroSAT.json", "split_dk_EuroSAT.json")
    renamed = {
        "AnnualCrop": "Annual Crop Land",
        "HerbaceousVegetation": "Herbaceous Vegetation Land",
        "Highway": "Highway or Road",
        "Industrial": "Industrial Buildings",
        "Pasture": "Pasture Land",
        "PermanentCrop": "Permanent Crop Land",
        "Residential": "Residential Buildings",
        "SeaLake": "Sea or Lake",
    }
    task_name = "satellite land use image classification"
    template = "a centered satellite photo of {}."
    num_classes = 10
    sizes = (13500, 5400, 8100)
    sources = (
        *EuroSATImages.sources,
        coop_split("1Ip7yaCWFi0eaOFUGga0lUdVi_DDQth1o", "split_zhou_EuroSAT.json"),
        *mirrored("eurosat", "2750", "split_zhou_EuroSAT.json"),
    )
