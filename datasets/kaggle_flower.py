"""Flowers from Kaggle (Plant-6)."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class KaggleFlower(TaskDataset):
    """Daisy, dandelion, rose, sunflower, tulip.
    ``kaggle_flower_recognition/flowers/<class>/*.jpg``.

    Older archives hold everything a second time in ``flowers/flowers``, which is left out.
    """

    dataset_dir = "kaggle_flower_recognition"
    image_dir = "flowers"
    split_files = ("split_dk_kaggle_flower.json", "split_zhou_KaggleFlower.json")
    ignored = ("flowers",)
    task_name = "common flower image classification"
    template = "a photo of a {}, a type of flower."
    num_classes = 5
    images = 4317
    sources = (
        Source(
            "alxmamaev/flowers-recognition",
            "flowers-recognition.zip",
            "kaggle",
            unpack_to=".",
            gives="flowers",
        ),
    )
    licence = "as its page says"
    citation = "Mamaev: Flowers recognition. Kaggle 2018"
    homepage = "https://www.kaggle.com/datasets/alxmamaev/flowers-recognition"
