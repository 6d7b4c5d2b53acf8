"""What every data set of tasks is to Dassl."""

from __future__ import annotations

from collections.abc import Iterable

from softcpt import dassl

dassl.activate()
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase  # noqa: E402 (an engine must be there first)

from softcpt.data.dataset_names import registered_name  # noqa: E402
from softcpt.data.subsample import Parts  # noqa: E402
from softcpt.errors import UserError  # noqa: E402
from softcpt.tasks import TaskSet  # noqa: E402

__all__ = ["DATASET_REGISTRY", "DatasetBase", "TaskedDataset", "chosen_metric"]


class TaskedDataset(DatasetBase):  # type: ignore[misc]  # Dassl has no types
    """A Dassl data set whose classes are those of ``tasks``, with or without a training image.

    Attributes:
        dataset_dir: its folder below the root; in an instance, the whole path.
        tasks: the tasks; a Datum's domain is a task's index, its label a global class index.
        num_classes: classes of all tasks.
    """

    dataset_dir: str = ""
    # In place of Dassl's property, which counts the classes that have a training image.
    num_classes: int = 0

    def __init__(self, tasks: TaskSet, parts: Parts) -> None:
        super().__init__(train_x=parts["train"], val=parts["val"], test=parts["test"])
        self.tasks = tasks
        self.num_classes = self._num_classes = tasks.num_classes
        self._classnames = list(tasks.class_names)
        self._lab2cname = dict(enumerate(tasks.class_names))


def chosen_metric(dataset: str, entries: Iterable[str]) -> str:
    """The metric that entries "data set=metric" of ``DATASET.METRICS`` give ``dataset``; "": none.

    Raises:
        UserError: an entry is not of that form, or there is no such data set.
    """
    chosen = ""
    for entry in entries:
        name, _, metric = entry.partition("=")
        name = registered_name(name)
        if name not in DATASET_REGISTRY.registered_names():
            raise UserError(
                f"DATASET.METRICS: '{entry}' names no data set; give \"['{dataset}=accuracy']\""
            )
        if name == dataset:
            chosen = metric
    return chosen
