"""What your own images have in common, whether folders or a table say which is what."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from softcpt.data.base import TaskDataset
from softcpt.data.class_words import quoted, words
from softcpt.data.label_columns import refuse_other_labels
from softcpt.data.same_images import files_of_task, print_tested_elsewhere, shared_images
from softcpt.data.split import DRAW_SEED, Item, Split, read_split, write_drawn
from softcpt.data.split_rules import SplitRule
from softcpt.data.subsample import Parts
from softcpt.data.whole_images import WholeImagesRule
from softcpt.data.writable_path import writable_path
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet

_log = logging.getLogger(__name__)


class ImageRow(NamedTuple):
    """An image's part ("all" where it is not divided yet), path, task ("" where it has no name) and
    class."""

    part: str
    path: str
    task: str
    class_name: str


class OwnDataset(TaskDataset):
    """Images of no published data set, where ``DATASET.ROOT`` says. Divided 50/20/30 unless they
    come divided.

    That split is written beside them at the first run and read from then on; images that come or go
    later are not taken in silently. Without test images the validation images are tested
    on, as with ImageNet.
    """

    advice = "correct it"
    _to_draw_from = 0  # training images, as many as are known

    @property
    def called(self) -> str:
        """The name of the folder or file: several may be read in one run."""
        return Path(self.options.root).absolute().name

    def read_or_draw(self, folder: Path) -> Split:
        """The split as the images come, or as it was drawn at the first run.

        Raises:
            UserError: images came or went since.
        """
        split = self.given_split() if self.options.split else self._whole_split(folder)
        # One image of several tasks has an item for each.
        paths = {item.path for item in split.train}
        self._to_draw_from = len(paths) if self.task_columns else len(split.train)
        return split

    @property
    def task_columns(self) -> tuple[str, ...]:
        """Columns of a table that are tasks, so that an image may have labels of several: it is
        then one record with all of them, and in one part of a split. None: every row of the data
        is an image of its own."""
        return ()

    @property
    def joins_tasks(self) -> bool:
        """Whether the rows of an image are one record."""
        return bool(self.task_columns)

    @property
    def split_rule(self) -> SplitRule:
        """Images are divided class by class; with labels of several tasks whole."""
        return WholeImagesRule() if len(self.task_columns) > 1 else super().split_rule

    def _print_oddities(self, tasks: TaskSet, parts: Parts) -> None:
        super()._print_oddities(tasks, parts)
        if len(parts["train"]) < self._to_draw_from:
            _log.info(
                f"{self.called}: trained on are {self.options.shots} images per class of "
                f"its {self._to_draw_from:,} training images (DATASET.NUM_SHOTS -1: all)"
            )
        print_tested_elsewhere(self.called, tasks, parts)
        for index, task in enumerate(tasks):
            self._print_same_prompts(task)
            self._print_shared(tasks, index, parts)
            if self.joins_tasks and len(tasks) > 1:
                counts = (
                    f"{part} {len(files_of_task(tasks, index, parts[part])):,}" for part in parts
                )
                _log.info(f"{self.called}: {task.name}: labelled images {', '.join(counts)}")

    def _print_same_prompts(self, task: Task) -> None:
        """Print which classes no text can tell apart: blanks, underscores and capitals do not
        count in a prompt."""
        alike: dict[str, list[str]] = {}
        for name in task.class_names:
            alike.setdefault(" ".join(name.replace("_", " ").split()).lower(), []).append(name)
        for prompt, names in alike.items():
            if len(names) > 1:
                _log.warning(
                    f"{self.called}: classes {quoted(names)} have one prompt, '{prompt}', so that "
                    "text cannot tell them apart; give them different names, or make them one"
                )

    def _print_shared(self, tasks: TaskSet, task: int, parts: Parts) -> None:
        """Print which images of a task are trained on and tested on."""
        train, test = (files_of_task(tasks, task, parts[part]) for part in ("train", "test"))
        shared = shared_images(train, test)
        if shared:
            first, second = shared[0]
            twin = "" if first == second else f", the same as {first}"
            _log.warning(
                f"{self.called}: {len(shared):,} of {len(test):,} test images are trained on, too "
                f"({second}{twin}); take them out of one part"
            )

    def _whole_split(self, folder: Path) -> Split:
        rows = list(self.labelled(folder))
        if not rows:
            raise UserError(
                f"data set {self.called}: no images in {self.options.root}; {self.advice}"
            )
        if any(row.part == "all" for row in rows):
            return self._kept(rows, folder)
        split = self.as_split(rows)
        if not split.train:
            raise UserError(
                f"data set {self.called}: no training images in {self.options.root}; {self.advice}"
            )
        if split.test:
            return split
        return replace(split, val=[], test=split.val)

    def labelled(self, folder: Path) -> Iterator[ImageRow]:
        """A row for every image."""
        raise NotImplementedError

    def as_split(self, rows: list[ImageRow]) -> Split:
        """Tasks are numbered in order of appearance, or as their columns stand; classes in
        alphabetical order.

        Raises:
            UserError: a task has one class only.
        """
        classes: dict[str, set[str]] = {name: set() for name in self.task_columns}
        for row in rows:
            classes.setdefault(row.task, set()).add(row.class_name)
        for task, found in classes.items():
            if len(found) == 1:
                whose = f"task '{task}' of " if task else ""
                raise UserError(
                    f"data set {self.called}: one class only ('{found.pop()}') in {whose}"
                    f"{self.options.root}; give images of another, so that there is something "
                    "to tell apart"
                )
        names = [sorted(found) for found in classes.values()]
        numbers: dict[tuple[str, str], tuple[int, int]] = {}  # by names of task and class
        for index, task in enumerate(classes):
            for label, name in enumerate(names[index]):
                numbers[task, name] = index, label
        pools: dict[str, list[Item]] = {}
        for row in rows:
            item = Item(row.path, *numbers[row.task, row.class_name])
            pools.setdefault(row.part, []).append(item)
        divided = self.split_rule.divide(pools.items())
        called = [task.replace("_", " ") if self.task_columns else task for task in classes]
        return Split(*divided, names, called, source=Path(self.options.root).name)

    def _kept(self, rows: list[ImageRow], folder: Path) -> Split:
        path = writable_path(folder, self.drawn_name())
        if not path.is_file():
            write_drawn(path, self.as_split(rows), "ratio")
            whole = " of every task" if len(self.task_columns) > 1 else ""
            _log.info(
                f"{self.called}: 50/20/30 of every class{whole} for training, validation and test, "
                f"written to {path} (seed {DRAW_SEED})"
            )
        split = read_split(path, inside=False)  # a table may name images anywhere
        if self.task_columns:
            now = self.as_split([row._replace(part="train") for row in rows])
            refuse_other_labels(now, split, path)
        known = {item.path for item in (*split.train, *split.val, *split.test)}
        here = {row.path for row in rows}
        new, gone = len(here - known), len(known - here)
        if new or (gone and self.options.on_missing != "skip"):
            without = "" if new else ", DATASET.ON_MISSING skip goes on without them"
            raise UserError(
                f"{path}: images came or went since this split was drawn ({new} new, {gone} gone); "
                f"delete it to draw a new one{without}"
            )
        return split

    def drawn_name(self) -> str:
        """Name of the split file."""
        return "split_drawn.json"

    def make_tasks(self, split: Split) -> TaskSet:
        """A task for each that is named; a single one may be named by ``DATASET.TASK_NAME``."""
        if len(split.class_names) == 1:
            return super().make_tasks(split)
        if self.options.task_name:
            raise UserError(
                f"DATASET.TASK_NAME: {self.options.root} has {len(split.class_names)} tasks, "
                "named there"
            )
        template = self.options.template or self.template
        named = zip(split.task_names, split.class_names)
        return TaskSet(
            [Task(name, tuple(classes), self.task_metric, template) for name, classes in named]
        )

    @property
    def default_task_name(self) -> str:
        """The file's or folder's name in words."""
        return words(Path(self.options.root).stem)
