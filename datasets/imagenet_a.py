"""ImageNet-A."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.coop_mirror import mirrored
from softcpt.data.imagenet import CLASS_NAMES, ImageNetVariant
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class ImageNetA(ImageNetVariant):
    """Natural adversarial examples of 200 ImageNet classes, for testing.

    ``imagenet-adversarial/imagenet-a/n01498041/*.jpg``, and CoOp's ``classnames.txt``.
    """

    dataset_dir = "imagenet-adversarial"
    image_dir = "imagenet-a"
    num_classes = 200
    sizes = (0, 0, 7500)
    sources = (
        Source(
            "https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",
            "imagenet-a.tar",
            md5="c3e55429088dc681f30d81f4726b6595",
            unpack_to=".",
            gives="imagenet-a",
        ),
        CLASS_NAMES,
        *mirrored("imagenet-adversarial", "imagenet-a", "classnames.txt"),
    )
    licence = "MIT"
    citation = "Hendrycks, Zhao, Basart, Steinhardt, Song: Natural adversarial examples. CVPR 2021"
    homepage = "https://github.com/hendrycks/natural-adv-examples"
