"""Your own folder of images."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.own_folder import FolderDataset


@DATASET_REGISTRY.register()
class ImageFolder(FolderDataset):
    """``DATASET.ROOT`` is a folder ``class/image`` or ``train|val|test/class/image``; see
    docs/add-a-task.md."""
