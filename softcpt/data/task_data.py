"""Loads data for the library: any mixture of sources becomes tasks with images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from softcpt.data.datum import ImageDatum
from softcpt.data.given_images import DrawnTask
from softcpt.data.labelled_image import Images
from softcpt.data.multitask import merge, tasks_in
from softcpt.data.options import DataOptions
from softcpt.data.ordinal import with_values
from softcpt.data.sources import Asked, named_sources, read_source
from softcpt.data.subsample import Parts, subsample
from softcpt.errors import UserError
from softcpt.tasks import TaskSet

_PARTS = ("train", "val", "test")


@dataclass(frozen=True, repr=False)
class TaskData:
    """Tasks with their images.

    Attributes:
        tasks: the tasks; an image's label counts the classes of all of them.
        train: the images to train on, drawn already.
        val: validation images; may be empty.
        test: test images; empty where images came without a division.
        shots: training images per class that were asked for; -1: all.
        seed: of the draw.

    Example:
        >>> from PIL import Image
        >>> red, blue = (Image.new("RGB", (64, 64), colour) for colour in ("red", "blue"))
        >>> pairs = {"train": [(red, "red"), (blue, "blue")], "test": [(blue, "blue")]}
        >>> data = softcpt.load_data({"colours": pairs})
        >>> data
        <1 tasks, 2 classes; images: train 2, val 0, test 1>
        >>> data.tasks[0].class_names[data.test[0].label]
        'blue'
    """

    tasks: TaskSet
    train: Images
    val: Images
    test: Images
    shots: int = -1
    seed: int = 1

    @classmethod
    def of(cls, dataset: Any, shots: int = -1, seed: int = 1) -> TaskData:
        """The data of a Dassl data set, ours or another's.

        Args:
            dataset: it has ``train_x``, ``val``, ``test``, and ``tasks`` if it has several.
            shots: what it was asked for.
            seed: the same.

        Returns:
            Its tasks and images.
        """
        tasks, parts = merge([_without_stand_ins(dataset)])
        return _data(tasks, parts, shots, seed)

    def __repr__(self) -> str:
        parts = ", ".join(f"{part} {len(getattr(self, part)):,}" for part in _PARTS)
        return f"<{len(self.tasks)} tasks, {self.tasks.num_classes:,} classes; images: {parts}>"


def load_data(
    sources: Any,
    root: str | os.PathLike[str] = "data",
    shots: int | None = None,
    seed: int = 1,
    *,
    classes: str | Sequence[str] | Mapping[str, Sequence[str]] = "all",
    tasks: str = "all",
    task_names: str | Sequence[str] = (),
    template: str = "",
    description: str = "",
    metric: str = "",
    metrics: Sequence[str] = (),
    ordinal: str | Sequence[str] | Mapping[str, Sequence[str]] = (),
    label_columns: str | Sequence[str] = (),
    split: str | os.PathLike[str] = "",
    draw_split: bool = False,
    on_missing: str = "stop",
    image_column: str = "",
    label_column: str = "",
    verbose: bool = False,
) -> TaskData:
    """Load one source of images, or several, as tasks in their order.

    The same names and settings give the same images in the same order, with the same labels, as
    ``train.py`` reads. A source is

    - a data set by any of its names ("OxfordPets", "oxford_pets", "cifar-10"), or a merged one
      ("General10", "Emoji44"); "Name:folder" for one that lies in ``root``/folder;
    - a folder of class folders, an archive of one, or a CSV file (docs/add-a-task.md), by its path.
      A name of a data set comes first: "./mnist" is the folder;
    - a table of pandas with the columns path, label and, if you like, split and task, or with a
      column of labels for each task: what the same CSV file would be, with paths relative to the
      current folder;
    - a ``datasets.Dataset`` or ``DatasetDict`` of Hugging Face, or a folder that
      ``save_to_disk`` wrote or that holds Parquet files (the extra ``huggingface``);
    - a data set of torch that gives (image, label), with class names in ``classes``;
    - a list of (image, label) pairs: an image is a path, a PIL image, an array or a tensor; a label
      a class name or, with ``classes``, a number; or a list of labels where an image has several;
    - a dictionary of parts, {"train": ..., "val": ..., "test": ...}, of the last three;
    - a Dassl data set, or what this function returned, taken as it is.

    Images in memory that are used (drawn, or for testing) are kept as files in the user's cache,
    without loss. Without a division (pairs, a single data set of torch or Hugging Face) all of them
    are training images, and ``test`` is empty, unless ``draw_split`` is true. What a folder, an
    archive or a CSV file is divided into is written beside it, as by ``train.py``. Data sets that
    are for testing alone (ImageNet-A) have no training images here.

    Args:
        sources: a source, a list of some, or a dictionary {task name: source}.
        root: the folder that data sets lie in which are named.
        shots: training images per class, drawn as CoOp (of ELEVATER's tasks: as ELEVATER) draws
            them, and of validation images as many, 4 at most; None: all.
        seed: of the draw.
        classes: "all", "base" (the first half of each task's classes) or "new"; or the class names
            of images in memory, in label order ({task name: class names} for several sources).
        tasks: "all", "base", "new", "task3", "task0,task3" or "all-but-task3".
        task_names: a name for the task of each source, "" for its own. SoftCPT reads it, so it says
            what the pictures are of.
        template: zero-shot prompt with {} for the class name, in place of the data sets' own.
        description: of a single task.
        metric: in place of the data sets' own (:data:`softcpt.metrics.METRICS`).
        metrics: the same for some data sets, ["OxfordPets=accuracy"].
        ordinal: tasks whose classes are ordered, so that their mean absolute error is measured, too
            (:class:`softcpt.Task`): their names, if their classes are numbers; else
            {task: classes in order}, or "task=first<second<third".
        label_columns: of a table or a data set of Hugging Face, the columns that are tasks; none:
            of a table all but those of image and split, if it has no column "label".
        split: a split file in CoOp's form, in place of a single data set's own.
        draw_split: divide where no split is published, or comes with the images.
        on_missing: an image of the split that is not on disk: "stop", "skip" it, or "skip-classes"
            of which there is no image; "skip-tasks": data sets that have no folder are left out of
            those that a data set merges.
        image_column: of a data set of Hugging Face, where it has several with images.
        label_column: the same of labels.
        verbose: log what is read.

    Returns:
        Tasks and images.

    Raises:
        UserError: a source cannot be read, or two tasks have the same name; the message says what
            helps.

    Example:
        Two data sets, four images of each class::

            data = softcpt.load_data(["OxfordPets", "my_flowers"], root="data", shots=4, seed=1)

        Images in memory:

        >>> from PIL import Image
        >>> colours = ("red", "blue", "green")
        >>> pairs = [(Image.new("RGB", (64, 64), colour), colour) for colour in colours]
        >>> data = softcpt.load_data({"colours": pairs}, classes=["red", "green", "blue"])
        >>> data.tasks.names, [image.label for image in data.train]
        (('colours',), [0, 2, 1])
    """
    given = named_sources(sources)
    names = _names(given, task_names)
    if len(given) != 1 and (description or split):
        what = "description" if description else "split"
        raise UserError(f"load_data: {what} is of a single source, and there are {len(given)}")
    options = DataOptions(
        root=os.fspath(root),
        shots=-1 if shots is None else shots,
        seed=seed,
        split=os.fspath(split),
        classes=classes if isinstance(classes, str) else "all",
        template=template,
        description=description,
        metric=metric,
        metrics=tuple(metrics),
        label_columns=(label_columns,) if isinstance(label_columns, str) else tuple(label_columns),
        draw_split=draw_split,
        on_missing=on_missing,
        verbose=verbose,
    )
    read = []
    for name, (_, source) in zip(names, given):
        asked = Asked(options, _class_names(classes, name), image_column, label_column)
        whole = _as_records(source) if isinstance(source, TaskData) else None
        dataset = whole or read_source(source, name, asked)
        read.append(_called(_without_stand_ins(dataset), name))
    _refuse_same_names(read)
    found, parts = subsample(*merge(read), which_tasks=tasks)
    return _data(with_values(found, _ordered(ordinal)), parts, options.shots, options.seed)


def _data(tasks: TaskSet, parts: Parts, shots: int, seed: int) -> TaskData:
    train, val, test = (Images.of(parts[part]) for part in _PARTS)
    return TaskData(tasks, train, val, test, shots, seed)


def _ordered(ordinal: str | Sequence[str] | Mapping[str, Sequence[str]]) -> list[str]:
    """As ``DATASET.ORDINAL`` has it."""
    if isinstance(ordinal, Mapping):
        return [f"{task}={'<'.join(classes)}" for task, classes in ordinal.items()]
    return [ordinal] if isinstance(ordinal, str) else list(ordinal)


def _names(given: Sequence[tuple[str, Any]], task_names: str | Sequence[str]) -> list[str]:
    """The name of each source's task, "" for its own."""
    called = [task_names] if isinstance(task_names, str) else list(task_names)
    if not any(called):
        return [name for name, _ in given]
    if any(name for name, _ in given):
        raise UserError("load_data: task_names, and a dictionary that names tasks; give either")
    if len(called) != len(given):
        raise UserError(
            f"load_data: {len(called)} task_names for {len(given)} sources; give one for each, '' "
            "for those that keep theirs"
        )
    return called


def _class_names(
    classes: str | Sequence[str] | Mapping[str, Sequence[str]], name: str
) -> Sequence[str]:
    if isinstance(classes, str):
        return ()
    return classes.get(name, ()) if isinstance(classes, Mapping) else list(classes)


def _as_records(data: TaskData) -> DrawnTask:
    def records(images: Images) -> list[Any]:
        return [
            ImageDatum(one.path, one.label, one.task, one.class_name, one.labels[1:])
            for one in images
        ]

    return DrawnTask(data.tasks, records(data.train), records(data.val), records(data.test))


def _without_stand_ins(dataset: Any) -> Any:
    """The data set without the test images that Dassl is given for training ones."""
    if not getattr(dataset, "test_only", False):
        return dataset
    return DrawnTask(dataset.tasks, [], [], dataset.test)


def _called(dataset: Any, name: str) -> Any:
    """The data set with its one task called ``name``; "" leaves it."""
    if not name:
        return dataset
    tasks = tasks_in(dataset)
    if len(tasks) != 1:
        raise UserError(
            f"load_data: '{name}' names a source of {len(tasks)} tasks ({tasks.names[0]}, ...); "
            "leave its name out"
        )
    parts = dataset.train_x, dataset.val or [], dataset.test or []
    return DrawnTask(TaskSet([replace(tasks[0], name=name)]), *parts)


def _refuse_same_names(read: Sequence[Any]) -> None:
    names = Counter(name for dataset in read for name in tasks_in(dataset).names)
    for name, count in names.items():
        if count > 1:
            raise UserError(
                f"load_data: {count} tasks are called '{name}'; give task_names, or a dictionary "
                "{task name: source}"
            )
