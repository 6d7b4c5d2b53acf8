"""Describable Textures (DTD)."""

from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.coop_helpers import TexturesHelpers
from softcpt.data.coop_mirror import coop_split, mirrored
from softcpt.data.dataset_facts import Publication
from softcpt.data.source import Source


class DTDImages(Publication):
    """Textures, with lists of ten official splits."""

    dataset_dir = "dtd"
    image_dir = "images"
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
            "dtd-r1.0.1.tar.gz",
            md5="fff73e5086ae6bdbea199a49dfb8a4c1",
            unpack_to="..",
            gives="images",
        ),
    )
    licence = "research use"
    citation = (
        "Cimpoi, Maji, Kokkinos, Mohamed, Vedaldi: Describing textures in the wild. CVPR 2014"
    )
    homepage = "https://www.robots.ox.ac.uk/~vgg/data/dtd/"


@DATASET_REGISTRY.register()
class DescribableTextures(DTDImages, TexturesHelpers, TaskDataset):
    """Textures by the adjective that describes them: 47 classes.
    ``dtd/images/<class>/<class>_0001.jpg``."""

    split_files = ("split_zhou_DescribableTextures.json", "split_dk_DescribableTextures.json")
    task_name = "texture image classification"
    template = "{} texture."
    num_classes = 47
    sizes = (2820, 1128, 1692)
    sources = (
        *DTDImages.sources,
        coop_split("1u3_QfB467jqHgNXC00UIzbLZRQCg2S7x", "split_zhou_DescribableTextures.json"),
        *mirrored("dtd", "images", "split_zhou_DescribableTextures.json"),
    )
