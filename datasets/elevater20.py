"""The target tasks of ELEVATER together."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.elevater_tasks import ELEVATER_TASKS
from softcpt.data.multitask import MultiTaskDataset


@DATASET_REGISTRY.register()
class Elevater20(MultiTaskDataset):
    """All twenty in the order of the published joint label space: 20 tasks, 1,151 classes."""

    members = tuple(task.name for task in ELEVATER_TASKS)


@DATASET_REGISTRY.register()
class Elevater12(MultiTaskDataset):
    """The twelve whose images are in none of CoOp's data sets: what MVLPT's source prompts have not
    seen."""

    members = tuple(task.name for task in ELEVATER_TASKS if not task.coop)
