"""Fruit and vegetables (Plant-6)."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class FruitVegetable(TaskDataset):
    """Fruit and vegetables: 36 classes.
    ``fruit_vegetable/images/{train,test,validation}/<class>/*.jpg``.

    SoftCPT divides each of the three folders 50/20/30 by itself and joins the parts. The task's
    name is SoftCPT's.
    """

    dataset_dir = "fruit_vegetable"
    image_dir = "images"
    split_files = ("split_dk_FruitVegetable.json", "split_zhou_FruitVegetable.json")
    divided_apart = ("train", "test", "validation")
    task_name = "fruits and vegetables image classification"
    template = "a photo of a {}, a type of fruit or vegetable."
    num_classes = 36
    sizes = (1907, 767, 1151)
    sources = (
        Source(
            "kritikseth/fruit-and-vegetable-image-recognition",
            "fruit-and-vegetable-image-recognition.zip",
            "kaggle",
            unpack_to="images",
            gives="images/train",
        ),
    )
    licence = "CC0 1.0, as its page says"
    citation = "Seth: Fruits and vegetables image recognition dataset. Kaggle 2020"
    homepage = "https://www.kaggle.com/datasets/kritikseth/fruit-and-vegetable-image-recognition"
