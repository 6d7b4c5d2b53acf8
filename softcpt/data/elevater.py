"""What the data sets of ELEVATER have in common: class names, metrics, splits and few-shot draws.

The benchmark's own files cannot be downloaded (their host refuses anonymous readers since July
2023), so splits are taken from the publishers' lists, which have the same sizes. Where the
benchmark drew a split itself, one with the same numbers per class is drawn here
(:attr:`ElevaterDataset.per_class`). docs/elevater.md says which is which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from softcpt.data.base import TaskDataset
from softcpt.data.draw_rules import DrawRule, ElevaterDraw
from softcpt.data.elevater_folders import ClassLabels, divided_folder, images_of_classes
from softcpt.data.elevater_tasks import class_names, elevater_task, template
from softcpt.data.pools import Pool, Row, merged
from softcpt.data.split import Split
from softcpt.data.split_rules import PerClassRule, SplitRule
from softcpt.errors import UserError


class ElevaterDataset(TaskDataset):
    """A task of ELEVATER; a subclass states its ``key`` and where images lie.

    The facts of the task (classes, metric, sizes, name, template) are those of
    :mod:`softcpt.data.elevater_tasks`. Few-shot images are drawn as ELEVATER's toolkit draws them
    (:mod:`softcpt.data.elevater_draw`).

    Attributes:
        key: ELEVATER's name of the task.
        classes: class name, in label order, by what the publisher calls the class.
        per_class: rule "drawn": images of every class for training, for validation and for testing,
            None being the rest, as the benchmark drew them.
    """

    key: ClassVar[str] = ""
    classes: ClassVar[dict[str, str]] = {}
    per_class: ClassVar[tuple[int, int, int | None]] = (0, 0, None)
    rule = "official"
    draws_folder = "split_fewshot_elevater"
    split_origin = "ELEVATER's cannot be downloaded,"
    _labels: ClassVar[ClassLabels] = ClassLabels({})

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        task = elevater_task(cls.key)
        if task is None:  # a base of several data sets
            return
        cls.aliases = (*cls.aliases, cls.key)
        cls.task_name, cls.metric, cls.num_classes = task.task, task.metric, task.classes
        cls.sizes, cls.template, cls.classes = task.sizes, template(cls.key), class_names(cls.key)
        cls._labels = ClassLabels(cls.classes)
        if cls.rule == "drawn":
            cls.split_files = (f"split_elevater_{cls.key}.json",)

    def label(self, name: str) -> int:
        """The label of the class that the publisher, or a person, calls ``name``.

        Raises:
            UserError: there is no such class.
        """
        label = self._labels.get(name)
        if label is None:
            raise UserError(
                f"data set {self.name()}: it has no class '{name}'; move that out, or correct its "
                "name"
            )
        return label

    @property
    def split_rule(self) -> SplitRule:
        """``per_class`` images of every class, where there are no lists."""
        return PerClassRule(f"data set {self.name()}", self.per_class, self.advice)

    def draw_rule(self, split: Split) -> DrawRule:  # noqa: ARG002 (the same for every split)
        """ELEVATER's."""
        return ElevaterDraw(self.kept_draws)

    def make_split(self, folder: Path) -> Split:
        """The split of the publisher's lists, or one that is drawn from all images; an image may
        have several classes, and labels are ELEVATER's."""
        pools = [(pool.part, merged(pool.rows)) for pool in self.read_pools(folder)]
        return Split(*self.split_rule.divide(pools), [list(self.classes.values())])

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """Class folders: where a split is to be drawn, of all images; else in ``train``, ``test``
        and maybe ``val``, under the names that people give them."""
        if self.rule == "drawn":
            yield Pool("all", list(self.class_rows(images, images)) if images.is_dir() else [])
            return
        found = divided_folder(folder)
        if found is None:
            raise UserError(
                f"data set {self.name()}: no train and test folders in {folder}; {self.advice}"
            )
        place, parts = found
        for name, part in parts.items():
            yield Pool(part, list(self.class_rows(place / name, images)))

    def class_rows(self, place: Path, images: Path) -> Iterator[Row]:
        """A row for each image in the class folders of ``place``, paths relative to ``images``."""
        for path, name in images_of_classes(place, images):
            yield path, self.label(name), ""
