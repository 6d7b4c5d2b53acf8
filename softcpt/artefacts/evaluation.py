"""Tests a trained prompt on images with labels: the figures that results.json has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from tabulate import tabulate
from torch import Tensor
from tqdm import tqdm

from softcpt.clip.preprocessing import Preprocessing
from softcpt.errors import UserError
from softcpt.features.bank import FeatureBank
from softcpt.features.image_stream import ImageStream
from softcpt.prompters import TaskClassifier
from softcpt.prompters.classifier import bank_kind
from softcpt.task_results import Tally, TaskResult, intervals, overall
from softcpt.tasks import TaskSet, padded

_ROWS = 512  # features that are classified at once


class Labelled(Protocol):
    """An image with its classes, as :func:`softcpt.load_data` gives them."""

    @property
    def path(self) -> str:
        """The file."""

    @property
    def class_name(self) -> str:
        """Name of its first class."""

    @property
    def labels(self) -> tuple[int, ...]:
        """All its classes, counted over all tasks."""


@dataclass(frozen=True)
class Evaluation:
    """What a test found, in percent.

    Attributes:
        tasks: the figures of every task that has images, as results.json has them.
        overall: means over tasks, and their intervals.

    Example:
        >>> from PIL import Image
        >>> pairs = [(Image.new("RGB", (64, 64), name), name) for name in ("red", "blue")]
        >>> data = softcpt.load_data({"colours": pairs})
        >>> head = softcpt.fit("ProtoNet", softcpt.load_clip("tiny"), data, progress=False)
        >>> found = head.evaluate(data.train, progress=False)
        >>> found.overall["overall_metric"]
        100.0
        >>> print(found)
        task               classes    images    metric, %
        ---------------  ---------  --------  -----------
        colours                  2         2       100.00
        MEAN OVER TASKS                    2       100.00
    """

    tasks: list[TaskResult]
    overall: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"overall": self.overall, "tasks": [task.to_dict() for task in self.tasks]}

    def __str__(self) -> str:
        rows = [[task.name, task.classes, task.total, f"{task.metric:.2f}"] for task in self.tasks]
        total = sum(task.total for task in self.tasks)
        rows.append(["MEAN OVER TASKS", "", total, f"{self.overall['overall_metric']:.2f}"])
        head = ["task", "classes", "images", "metric, %"]
        if any(task.mae is not None for task in self.tasks):
            head.append("mean abs. error")
            for row, task in zip(rows, self.tasks):
                row.append("" if task.mae is None else f"{task.mae:.4g}")
        aligned = ["left"] + ["right"] * (len(head) - 1)
        text: str = tabulate(rows, head, disable_numparse=True, colalign=aligned)
        return text


def evaluate(
    method: TaskClassifier,
    images: Sequence[Labelled],
    preprocessing: Preprocessing,
    batch_size: int | None,
    workers: int | None,
    progress: bool,
) -> Evaluation:
    """See :meth:`softcpt.AdaptedClip.evaluate`."""
    if not images:
        raise UserError("evaluate: there are no images; give some, such as data.test")
    _refuse_other_classes(method.tasks, images)
    labels = padded([image.labels for image in images])
    paths = [image.path for image in images]
    method.eval()
    features = _encoded if method.prompts_images else _from_bank
    tally, start = Tally(method.tasks), 0
    with torch.no_grad():
        classify = method.own_classifier()
        for batch in features(method, paths, preprocessing, batch_size, workers, progress):
            rows = labels[start : start + len(batch)]
            found, own = method.tasks.of_pairs(batch, rows)
            tally.add(classify(found, method.tasks.owners(own)), own.to(method.device))
            start += len(batch)
    results = tally.results()
    return Evaluation(results, overall(results) | intervals(results))


def _from_bank(
    method: TaskClassifier,
    paths: Sequence[str],
    preprocessing: Preprocessing,
    batch_size: int | None,
    workers: int | None,
    progress: bool,
) -> Iterator[Tensor]:
    """Features as ``method`` takes them, of the frozen tower's that the bank keeps."""
    bank = FeatureBank(
        None,
        method.clip,
        kind=bank_kind(type(method)),
        batch_size=batch_size,
        workers=workers,
        progress=progress,
    )
    for features in bank.features(paths, preprocessing.transform()).split(_ROWS):
        yield method.image_features(features.to(method.device))


def _encoded(
    method: TaskClassifier,
    paths: Sequence[str],
    preprocessing: Preprocessing,
    batch_size: int | None,
    workers: int | None,
    progress: bool,
) -> Iterator[Tensor]:
    """Features from an image tower with prompts of ``method``, which no bank keeps."""
    size = batch_size or (16 if method.device.type == "cpu" else 128)
    stream = ImageStream(preprocessing, size, workers)
    hidden = {} if progress else {"disable": True}
    bar = tqdm(total=len(paths), desc="images", unit=" images", delay=1, **hidden)
    with bar, closing(stream.batches(paths)) as batches:
        for batch in batches:
            for error in batch.failed.values():
                raise error
            images = stream.ready(batch, method.device)
            if images is not None:
                yield method.encode_image(images)
            bar.update(batch.count)


def _refuse_other_classes(tasks: TaskSet, images: Sequence[Labelled]) -> None:
    names = tasks.class_names
    for image in images:
        label = image.labels[0]
        beyond = [one for one in image.labels[1:] if one >= len(names)]
        if beyond:
            raise UserError(
                f"evaluate: {image.path} is of class {beyond[0]}, and there are {len(names)}; give "
                f"images of the tasks {', '.join(tasks.names)}"
            )
        if label >= len(names) or names[label] != image.class_name:
            known = f"'{names[label]}'" if label < len(names) else "not one of them"
            raise UserError(
                f"evaluate: {image.path} is of class {label}, '{image.class_name}', which is "
                f"{known} here; give images of the tasks {', '.join(tasks.names)}"
            )
