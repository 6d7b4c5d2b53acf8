"""Mushrooms from Kaggle (Plant-6)."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class KaggleMushroom(TaskDataset):
    """The nine most common genera of northern European mushrooms.
    ``kaggle_mushroom/Mushrooms/<genus>/*.jpg``."""

    dataset_dir = "kaggle_mushroom"
    image_dir = "Mushrooms"
    split_files = ("split_dk_KaggleMushroom.json", "split_zhou_KaggleMushroom.json")
    task_name = "mushroom image classification"
    template = "a photo of a {}, a type of mushroom."
    num_classes = 9
    images = 6714
    sources = (
        Source(
            "maysee/mushrooms-classification-common-genuss-images",
            "mushrooms-classification-common-genuss-images.zip",
            "kaggle",
            unpack_to=".",
            gives="Mushrooms",
        ),
    )
    licence = "as its page says"
    citation = "Mushrooms classification - common genus's images. Kaggle 2018"
    homepage = (
        "https://www.kaggle.com/datasets/maysee/mushrooms-classification-common-genuss-images"
    )
