"""ImageNetV2."""

from collections.abc import Iterable
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import Pool
from softcpt.data.coop_mirror import mirrored
from softcpt.data.imagenet import CLASS_NAMES, ImageNetVariant, read_classnames
from softcpt.data.source import Source

HOST = "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main/"


@DATASET_REGISTRY.register()
class ImageNetV2(ImageNetVariant):
    """New test images of ImageNet's 1,000 classes ("matched frequency").

    ``imagenetv2/imagenetv2-matched-frequency-format-val/<0..999>/*.jpeg``: a folder is a line of
    ``classnames.txt``.
    """

    dataset_dir = "imagenetv2"
    image_dir = "imagenetv2-matched-frequency-format-val"
    num_classes = 1000
    sizes = (0, 0, 10000)
    sources = (
        Source(
            f"{HOST}imagenetv2-matched-frequency.tar.gz",
            "imagenetv2-matched-frequency.tar.gz",
            sha256="f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
            unpack_to=".",
            gives="imagenetv2-matched-frequency-format-val",
        ),
        CLASS_NAMES,
        *mirrored("imagenetv2", "imagenetv2-matched-frequency-format-val", "classnames.txt"),
    )
    licence = "MIT"
    citation = (
        "Recht, Roelofs, Schmidt, Shankar: Do ImageNet classifiers generalize to ImageNet? ICML "
        "2019"
    )
    homepage = "https://github.com/modestyachts/ImageNetV2"

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """Test images; the folder's number is the label."""
        names = list(read_classnames(folder).values())
        rows = []
        for number, paths in sorted(self.by_class(images).items(), key=lambda item: int(item[0])):
            label = int(number)
            rows += [(path, label, names[label]) for path in paths]
        yield Pool("test", rows)
