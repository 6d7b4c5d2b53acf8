"""The target tasks of ELEVATER together."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.multitask import MultiTaskDataset
from softcpt.data.targets import TARGETS


@DATASET_REGISTRY.register()
class Elevater20(MultiTaskDataset):
    """All twenty in the order of the published joint label space: 20 tasks, 1,151 classes."""

    members = tuple(target.name for target in TARGETS)


@DATASET_REGISTRY.register()
class Elevater12(MultiTaskDataset):
    """The twelve whose images are in none of CoOp's data sets: what MVLPT's source prompts have not seen."""

    members = tuple(target.name for target in TARGETS if not target.coop)
