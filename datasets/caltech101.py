"""Caltech-101."""

from typing import ClassVar

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.coop_mirror import coop_split, mirrored
from softcpt.data.dataset_facts import Publication
from softcpt.data.source import Source


class Caltech101Images(Publication):
    """Pictures of objects in 102 folders; a few are grey."""

    dataset_dir = "caltech-101"
    image_dir = "101_ObjectCategories"
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            "137RyRjvTBkBiIfeYBNZBtViDHQ6_Ewsp",
            "101_ObjectCategories.tar.gz",
            "gdrive",
            md5="b224c7392d521a49829488ab0f1120d9",
            unpack_to=".",
            gives="101_ObjectCategories",
            note=(
                "if the drive refuses: https://data.caltech.edu/records/mzrjq-6wc02 has it in "
                "caltech-101.zip"
            ),
        ),
    )
    licence = "CC BY 4.0"
    citation = (
        "Fei-Fei, Fergus, Perona: Learning generative visual models from few training examples. "
        "CVPR Workshop 2004"
    )
    homepage = "https://data.caltech.edu/records/mzrjq-6wc02"


@DATASET_REGISTRY.register()
class Caltech101(Caltech101Images, TaskDataset):
    """Pictures of objects: 100 classes without the background and the second set of faces.

    ``caltech-101/101_ObjectCategories/<class>/image_0001.jpg``; a few are grey.
    """

    split_files = ("split_zhou_Caltech101.json", "split_dk_Caltech101.json")
    ignored = ("BACKGROUND_Google", "Faces_easy")
    renamed = {
        "airplanes": "airplane",
        "Faces": "face",
        "Leopards": "leopard",
        "Motorbikes": "motorbike",
    }
    task_name = "object image classification"
    metric = "mean_per_class"
    num_classes = 100
    sizes = (4128, 1649, 2465)
    sources = (
        *Caltech101Images.sources,
        coop_split("1hyarUivQE36mY6jSomru6Fjd-JzwcCzN", "split_zhou_Caltech101.json"),
        *mirrored("caltech-101", "101_ObjectCategories", "split_zhou_Caltech101.json"),
    )
