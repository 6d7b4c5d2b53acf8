"""Vegetables from Kaggle (Plant-6)."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class KaggleVegetable(TaskDataset):
    """Vegetables: 15 classes of 1,400.
    ``kaggle_vegetable/images/{train,test,validation}/<class>/*.jpg``.

    SoftCPT divides each of the three folders 50/20/30 by itself and joins the parts.
    """

    dataset_dir = "kaggle_vegetable"
    image_dir = "images"
    image_aliases = ("Vegetable Images",)  # as Kaggle's archive has it
    split_files = ("split_dk_KaggleVegetable.json", "split_zhou_KaggleVegetable.json")
    divided_apart = ("train", "test", "validation")
    task_name = "vegetable image classification"
    template = "a photo of a {}, a type of vegetable."
    num_classes = 15
    sizes = (10500, 4200, 6300)
    sources = (
        Source(
            "misrakahmed/vegetable-image-dataset",
            "vegetable-image-dataset.zip",
            "kaggle",
            unpack_to=".",
            gives="images",
            rename=(("Vegetable Images", "images"),),
        ),
    )
    licence = "as its page says"
    citation = (
        "Ahmed, Mamun, Asif: DCNN-based vegetable image classification using transfer learning. "
        "ICCCSP 2021"
    )
    homepage = "https://www.kaggle.com/datasets/misrakahmed/vegetable-image-dataset"
