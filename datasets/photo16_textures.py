"""Eight textures of DTD (Photo-16)."""

from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.photo16 import FixedSplitDataset, facts

from .dtd import DTDImages


@DATASET_REGISTRY.register()
class Photo16Textures(DTDImages, FixedSplitDataset):
    """Eight of DTD's 47 textures, those whose names are everyday words.
    ``dtd/images/<class>/<class>_0001.jpg``."""

    own_folder = False
    task_name = "texture image classification"
    template = "{} texture."
    num_classes = 8
    images = 960

    def by_class(self, images: Path) -> dict[str, list[str]]:
        """The class folders of the eight."""
        wanted = facts()["textures"]
        return {name: paths for name, paths in super().by_class(images).items() if name in wanted}
