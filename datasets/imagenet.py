"""ImageNet (ILSVRC 2012)."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.imagenet import CLASS_NAMES, ImageNetVariant
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class ImageNet(ImageNetVariant):
    """Objects: 1,000 classes. ``imagenet/images/{train,val}/n01440764/*.JPEG``,
    ``imagenet/classnames.txt``.

    The official validation images are tested on, and validated on too, whole, as in CoOp. CoOp
    lists a folder in the disk's order, here it is sorted: put CoOp's
    ``split_fewshot/shot_K-seed_S.pkl`` there for its images.
    """

    dataset_dir = "imagenet"
    image_dir = "images"
    parts = (("train", "train"), ("test", "val"))
    test_only = False
    val_is_test = True
    num_classes = 1000
    sizes = (1281167, 50000, 50000)
    images = 1331167
    sources = (
        Source(
            "https://image-net.org/challenges/LSVRC/2012/2012-downloads.php",
            "ILSVRC2012_img_train.tar",
            "manual",
            md5="1d675b47d978889d74fa0da5fadfb00e",
            gives="images/train",
            note=(
                "needs an account; unpack it and the tar file of each class into "
                "images/train/<class>"
            ),
        ),
        Source(
            "https://image-net.org/challenges/LSVRC/2012/2012-downloads.php",
            "ILSVRC2012_img_val.tar",
            "manual",
            md5="29b22e2961454d5413ddabcf34fc5622",
            gives="images/val",
            note="needs an account; sort its images into images/val/<class>",
        ),
        CLASS_NAMES,
    )
    licence = "non-commercial research"
    citation = (
        "Deng, Dong, Socher, Li, Li, Fei-Fei: ImageNet: a large-scale hierarchical image database. "
        "CVPR 2009"
    )
    homepage = "https://image-net.org"
