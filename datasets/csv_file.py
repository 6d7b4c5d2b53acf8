"""Your own table of images."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.own_table import TableDataset


@DATASET_REGISTRY.register()
class CSV(TableDataset):
    """``DATASET.ROOT`` is a file with the columns ``path,label[,split[,task]]``; see
    docs/add-a-task.md."""
