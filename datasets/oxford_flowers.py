"""Oxford Flowers-102."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY
from scipy.io import loadmat

from softcpt.data.base import Pool, TaskDataset
from softcpt.data.coop_mirror import coop_split, mirrored
from softcpt.data.dataset_facts import Publication
from softcpt.data.source import Source

VGG = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"


class FlowersImages(Publication):
    """Flowers common in the United Kingdom: images by number, classes in ``imagelabels.mat``."""

    dataset_dir = "oxford_flowers"
    image_dir = "jpg"
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            f"{VGG}102flowers.tgz",
            "102flowers.tgz",
            md5="52808999861908f626f3c1f4e79d11fa",
            unpack_to=".",
            gives="jpg",
        ),
        Source(f"{VGG}imagelabels.mat", "imagelabels.mat", md5="e0620be6f572b9609742df49c70aed4d"),
    )
    citation = (
        "Nilsback, Zisserman: Automated flower classification over a large number of classes. "
        "ICVGIP 2008"
    )
    homepage = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"


@DATASET_REGISTRY.register()
class OxfordFlowers(FlowersImages, TaskDataset):
    """Flowers common in the United Kingdom: 102 classes. ``oxford_flowers/jpg/image_00001.jpg``.

    To draw a split ``imagelabels.mat`` and ``cat_to_name.json`` are needed beside ``jpg``.
    """

    split_files = ("split_zhou_OxfordFlowers.json", "split_dk_OxfordFlowers.json")
    task_name = "flower image classification"
    metric = "mean_per_class"
    template = "a photo of a {}, a type of flower."
    num_classes = 102
    sizes = (4093, 1633, 2463)
    sources = (
        *FlowersImages.sources,
        Source("1AkcxCXeK_RCGCEC_GvmWxjcjaNhu-at0", "cat_to_name.json", "gdrive"),
        coop_split("1Pp0sRXzZFZq15zVOzKjKBu4A9i01nozT", "split_zhou_OxfordFlowers.json"),
        *mirrored("oxford_flowers", "jpg", "cat_to_name.json", "split_zhou_OxfordFlowers.json"),
    )

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """Image ``i`` has the i-th label; labels and names count from 1."""
        names = json.loads("\n".join(self.lines(images.parent / "cat_to_name.json")))
        labels = loadmat(self.needed(images.parent / "imagelabels.mat"))["labels"][0].tolist()
        yield Pool(
            "all",
            [
                (f"image_{number:05}.jpg", label - 1, names[str(label)])
                for number, label in enumerate(labels, start=1)
            ],
        )
