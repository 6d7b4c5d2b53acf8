"""What every data set of tasks is to Dassl."""

from __future__ import annotations

from softcpt import dassl

dassl.activate()
from dassl.data.datasets import DATASET_REGISTRY as DATASET_REGISTRY  # noqa: E402 (an engine must be there first)
from dassl.data.datasets import DatasetBase  # noqa: E402

from softcpt.data.subsample import Parts  # noqa: E402
from softcpt.tasks import TaskSet  # noqa: E402


class TaskedDataset(DatasetBase):
    """A Dassl data set whose classes are those of ``tasks``, with or without a training image.

    Attributes:
        tasks: the tasks; a Datum's domain is a task's index, its label a global class index.
        num_classes: classes of all tasks.
    """

    num_classes: int = (
        0  # in place of Dassl's property, which counts the classes that have a training image
    )

    def __init__(self, tasks: TaskSet, parts: Parts) -> None:
        super().__init__(train_x=parts["train"], val=parts["val"], test=parts["test"])
        self.tasks = tasks
        self.num_classes = self._num_classes = tasks.num_classes
        self._classnames = list(tasks.class_names)
        self._lab2cname = dict(enumerate(tasks.class_names))
