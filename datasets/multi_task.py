"""Any list of data sets as one."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.multitask import MultiTaskDataset


@DATASET_REGISTRY.register()
class MultiTask(MultiTaskDataset):
    """``DATASET.TASKS`` names the data sets: "['OxfordPets', 'MyTask',
    'ImageFolder:my_flowers']"."""
