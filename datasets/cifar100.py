"""CIFAR-100."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater_tasks import class_names
from softcpt.data.source import Source

from .cifar10 import CIFAR, TORONTO


@DATASET_REGISTRY.register()
class CIFAR100(CIFAR):
    """Things, animals, plants and people, 32 x 32 pixels: 100 classes ("fine" labels).

    ``cifar-100/cifar-100-python/{train,test}`` (or ``cifar-100-python`` itself), or class folders
    in ``train`` and ``test``, with or without the twenty superclasses around them.
    """

    key = "cifar-100"
    dataset_dir = "cifar-100"
    aliases = ("cifar-100-python", "cifar100_png")
    batches = {"train": ("train",), "test": ("test",)}
    labelled = "fine_labels"
    pack_classes = tuple(sorted(class_names(key)))  # the pickles count in alphabetical order
    sources = (
        Source(
            f"{TORONTO}/cifar-100-python.tar.gz",
            "cifar-100-python.tar.gz",
            md5="eb9058c3a382ffc7106e4002c42a8d85",
            unpack_to=".",
            gives="cifar-100-python",
        ),
    )
