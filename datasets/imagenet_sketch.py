"""ImageNet-Sketch."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.coop_mirror import mirrored
from softcpt.data.imagenet import CLASS_NAMES, ImageNetVariant
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class ImageNetSketch(ImageNetVariant):
    """Sketches of ImageNet's 1,000 classes, for testing.
    ``imagenet-sketch/images/n01440764/*.JPEG``."""

    dataset_dir = "imagenet-sketch"
    image_dir = "images"
    num_classes = 1000
    sizes = (0, 0, 50889)
    sources = (
        Source(
            "https://huggingface.co/datasets/songweig/imagenet_sketch/resolve/main/data/ImageNet-Sketch.zip",
            "ImageNet-Sketch.zip",
            sha256="4d3ce6b82a7c48aabf14aeac105eb533e75707f152cc858f55bfc022031a72ed",
            unpack_to=".",
            gives="images",
            rename=(("sketch", "images"),),
        ),
        CLASS_NAMES,
        *mirrored("imagenet-sketch", "images", "classnames.txt"),
    )
    licence = "MIT"
    citation = (
        "Wang et al.: Learning robust global representations by penalizing local predictive power. "
        "NeurIPS 2019"
    )
    homepage = "https://github.com/HaohanWang/ImageNet-Sketch"
