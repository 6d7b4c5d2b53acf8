"""ImageNet-R."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.coop_mirror import mirrored
from softcpt.data.imagenet import CLASS_NAMES, ImageNetVariant
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class ImageNetR(ImageNetVariant):
    """Renditions (art, toys, ...) of 200 ImageNet classes, for testing.

    ``imagenet-rendition/imagenet-r/n01443537/*.jpg``, and CoOp's ``classnames.txt``.
    """

    dataset_dir = "imagenet-rendition"
    image_dir = "imagenet-r"
    num_classes = 200
    sizes = (0, 0, 30000)
    sources = (
        Source(
            "https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar",
            "imagenet-r.tar",
            md5="a61312130a589d0ca1a8fca1f2bd3337",
            unpack_to=".",
            gives="imagenet-r",
        ),
        CLASS_NAMES,
        *mirrored("imagenet-rendition", "imagenet-r", "classnames.txt"),
    )
    licence = "MIT"
    citation = "Hendrycks et al.: The many faces of robustness. ICCV 2021"
    homepage = "https://github.com/hendrycks/imagenet-r"
