"""MNIST."""

from __future__ import annotations

from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater_folders import holding
from softcpt.data.packed_images import Pack, PackedDataset, read_idx
from softcpt.data.source import Source

HOST = "https://ossci-datasets.s3.amazonaws.com/mnist"
FILES = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
FORMS = ("-idx{}-ubyte", "-idx{}-ubyte.gz", ".idx{}-ubyte")  # the last is made by some programs


@DATASET_REGISTRY.register()
class MNIST(PackedDataset):
    """Handwritten digits, grey, 28 x 28 pixels: 10 classes.

    ``MNIST/raw/train-images-idx3-ubyte`` with or without ``.gz``, or
    ``{train,test}/<digit>/*.png``.
    """

    key = "mnist"
    dataset_dir = "MNIST"
    aliases = ("mnist_png",)
    sources = tuple(Source(f"{HOST}/{name}", f"raw/{name}", md5=md5) for name, md5 in FILES.items())
    licence = "CC BY-SA 3.0"
    citation = (
        "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition. "
        "IEEE 1998"
    )
    homepage = "http://yann.lecun.com/exdb/mnist/"

    def pack(self, folder: Path, part: str) -> Pack | None:
        """The pair of IDX files of a part."""
        begin = {"train": "train", "test": "t10k"}.get(part)
        for form in FORMS:
            names = [f"{begin}-images{form.format(3)}", f"{begin}-labels{form.format(1)}"]
            place = holding(folder, *names) if begin else None
            if place is not None:
                return _pack(place / names[0], place / names[1])
        return None


def _pack(images: Path, labels: Path) -> Pack:
    return Pack(read_idx(labels).tolist(), lambda numbers: read_idx(images)[list(numbers)])
