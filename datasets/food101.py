"""Food-101."""

from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.coop_mirror import coop_split, mirrored
from softcpt.data.dataset_facts import Publication
from softcpt.data.source import Source


class Food101Images(Publication):
    """Photos of dishes, with official lists in ``meta``."""

    dataset_dir = "food-101"
    image_dir = "images"
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
            "food-101.tar.gz",
            md5="85eeb15f3717b99a5da872d97d918f87",
            unpack_to="..",
            gives="images",
        ),
    )
    licence = "the photographers'; scientific fair use"
    citation = (
        "Bossard, Guillaumin, Van Gool: Food-101 - mining discriminative components with random "
        "forests. ECCV 2014"
    )
    homepage = "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/"


@DATASET_REGISTRY.register()
class Food101(Food101Images, TaskDataset):
    """Dishes: 101 classes of 1,000 pictures. ``food-101/images/<class>/1005649.jpg``; ``meta`` is
    not used."""

    split_files = ("split_zhou_Food101.json", "split_dk_Food101.json")
    task_name = "food image classification"
    template = "a photo of {}, a type of food."
    num_classes = 101
    sizes = (50500, 20200, 30300)
    sources = (
        *Food101Images.sources,
        coop_split("1QK0tGi096I0Ba6kggatX1ee6dJFIcEJl", "split_zhou_Food101.json"),
        *mirrored("food-101", "images", "split_zhou_Food101.json", archive="food101.zip"),
    )
