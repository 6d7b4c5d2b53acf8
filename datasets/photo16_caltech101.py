"""Caltech-101 as ten tasks (Photo-16)."""

from collections.abc import Iterator
from pathlib import Path

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.photo16 import FixedSplitDataset, facts
from softcpt.data.pools import images_by_class
from softcpt.data.split import Item, Split
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet

from .caltech101 import Caltech101Images


@DATASET_REGISTRY.register()
class Photo16Caltech101(Caltech101Images, FixedSplitDataset):
    """The 100 classes of Caltech-101 in ten groups, each a task: land mammals, vehicles, musical
    instruments and so on. ``caltech-101/101_ObjectCategories/<class>/image_0001.jpg``.

    Which class is in which group: ``softcpt/assets/photo16/photo16.json``.
    """

    own_folder = False
    metric = "mean_per_class"  # airplanes and motorbikes are three quarters of the vehicles
    num_tasks = 10
    num_classes = 100
    images = 8242

    def fixed_split(self, folder: Path) -> Split:
        """Every class divided by the names of its images."""
        items = list(self._items(folder))
        there = {(item.task, item.label) for item in items}
        if len(there) < self.num_classes and not (there and self._skips_classes):
            part = ", DATASET.ON_MISSING skip-classes uses these alone" if there else ""
            raise UserError(
                f"data set {self.name()}: {len(there)} of {self.num_classes} classes have images "
                f"in {self.image_folder(folder)}; {self.advice}{part}"
            )
        groups = facts()["caltech101"]
        return Split(
            *self.split_rule.divide([("all", items)]),
            [list(group["classes"].values()) for group in groups],
            [group["name"] for group in groups],
        )

    def make_tasks(self, split: Split) -> TaskSet:
        """The ten tasks; ``DATASET.TEMPLATE`` holds for all of them."""
        if self.options.task_name:
            raise UserError(f"DATASET.TASK_NAME: {self.name()} has many tasks; leave it out")
        template = self.options.template or self.template
        return TaskSet(
            [
                Task(name, tuple(names), self.task_metric, template)
                for name, names in zip(split.task_names, split.class_names)
            ]
        )

    def _items(self, folder: Path) -> Iterator[Item]:
        images = images_by_class(self.image_folder(folder))
        for task, group in enumerate(facts()["caltech101"]):
            for label, name in enumerate(group["classes"]):
                for path in images.get(name, ()):
                    yield Item(path, task, label)
