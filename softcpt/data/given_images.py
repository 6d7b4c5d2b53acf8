"""Images that are given in memory become a task: divided, drawn, and only then kept as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from softcpt.data.datum import Datum, ImageDatum
from softcpt.data.draw_files import Drawn
from softcpt.data.draw_rules import unkept_draw
from softcpt.data.options import DataOptions
from softcpt.data.split import Item, Split
from softcpt.data.split_rules import CoopRule
from softcpt.data.subsample import Parts, subsample
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet


class GivenImages(NamedTuple):
    """Images in some order.

    Attributes:
        labels: classes of each image, mostly one.
        path: the file of the image at a place in ``labels``; asked for only of images that are
            used, since it may have to be written.
    """

    labels: Sequence[tuple[int, ...]]
    path: Callable[[int], str]


@dataclass(frozen=True)
class GivenTask:
    """A task whose images are given.

    Attributes:
        name: the task's name.
        class_names: class names in label order.
        parts: images by part, "train", "val" or "test"; or all of them as "all".
    """

    name: str
    class_names: Sequence[str]
    parts: dict[str, GivenImages]


@dataclass(frozen=True)
class DrawnTask:
    """What is read of a Dassl data set: tasks, and records by part."""

    tasks: TaskSet
    train_x: list[Datum]
    val: list[Datum]
    test: list[Datum]


def drawn_task(given: GivenTask, options: DataOptions) -> DrawnTask:
    """The task with ``options.shots`` training images of each class, drawn as CoOp draws.

    Images that come undivided are all training images; with ``options.draw_split`` they are
    divided as those of a folder, 50/20/30 of every class. Without test images the validation images
    are tested on.

    Raises:
        UserError: there are no training images, fewer than two classes, or a label that is no
            class.
    """
    whole = f"images of task '{given.name}'"
    if len(given.class_names) < 2:
        raise UserError(
            f"{whole}: {len(given.class_names)} class; give two or more, so that there is "
            "something to tell apart"
        )
    split = _split(given, options, whole)
    if not split.train:
        raise UserError(f"{whole}: no training images; give some")
    task = Task(
        given.name,
        tuple(given.class_names),
        options.metric or "accuracy",
        options.template or Task.template,
        options.description,
    )
    drawn, _ = unkept_draw(split, options.shots, options.seed, Path())
    parts = _records(given, drawn, task)
    tasks, parts = subsample(TaskSet([task]), parts, options.classes)
    return DrawnTask(tasks, parts["train"], parts["val"], parts["test"])


def _split(given: GivenTask, options: DataOptions, whole: str) -> Split:
    """The images as a split whose paths are "part/place"."""
    pools: dict[str, list[Item]] = {}
    for part, images in given.parts.items():
        target = "train" if part == "all" and not options.draw_split else part
        for place, labels in enumerate(images.labels):
            wrong = [label for label in labels if not 0 <= label < len(given.class_names)]
            if wrong or not labels:
                raise UserError(
                    f"{whole}: label {wrong[0] if wrong else 'none'} of image {place}, and there "
                    f"are {len(given.class_names)} classes, counted from 0; correct it"
                )
            item = Item(f"{part}/{place}", 0, labels[0], tuple(labels[1:]))
            pools.setdefault(target, []).append(item)
    train, val, test = CoopRule(whole).divide(pools.items())
    if val and not test:
        val, test = [], val
    return Split(train, val, test, [list(given.class_names)])


def _records(given: GivenTask, drawn: Drawn, task: Task) -> Parts:
    def record(item: Item) -> ImageDatum:
        part, _, place = item.path.partition("/")
        path = given.parts[part].path(int(place))
        return ImageDatum(path, item.label, 0, task.class_names[item.label], item.others)

    return {part: [record(item) for item in items] for part, items in drawn.items()}
