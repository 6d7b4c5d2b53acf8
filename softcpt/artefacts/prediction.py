"""Predictions: the best classes of images, and how probable they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from softcpt.clip.preprocessing import Preprocessing
from softcpt.errors import UserError
from softcpt.features.image_stream import ImageBatch, ImageStream
from softcpt.prompters import TaskClassifier
from softcpt.tasks import TaskSet
from softcpt.utils.suggest import did_you_mean

ALL, AUTO = "all", "auto"  # in place of a task's name


@dataclass(frozen=True)
class Prediction:
    """A class of an image.

    Attributes:
        label: the class's name.
        probability: from 0 to 1, among the classes of the task.
        task: the task's name.
        expected: of an ordinal task the expected value over its classes, the same for all classes
            of an image; None: the task is none.

    Example:
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> method = softcpt.build_method("ZeroShot", softcpt.load_clip("tiny"), tasks)
        >>> picture = torch.zeros(3, 64, 64, dtype=torch.uint8)
        >>> [[best, other]] = softcpt.AdaptedClip(method, "ZeroShot").predict([picture], top=2)
        >>> {best.label, other.label} == {"cat", "dog"}, best.probability >= 0.5
        (True, True)
    """

    label: str
    probability: float
    task: str
    expected: float | None = None


@dataclass(frozen=True)
class Failed:
    """An image that could not be read.

    Attributes:
        path: of the file; "" for one that was given in memory.
        reason: what is wrong with it.

    Example:
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> method = softcpt.build_method("ZeroShot", softcpt.load_clip("tiny"), tasks)
        >>> [entry] = softcpt.AdaptedClip(method, "ZeroShot").predict(["missing.jpg"])
        >>> isinstance(entry, softcpt.Failed), entry.path
        (True, 'missing.jpg')
    """

    path: str
    reason: str


# Of an image: its best class; several of them, or of several tasks; or why there is none.
Entry = Prediction | list[Prediction] | Failed


def chosen_task(tasks: TaskSet, task: str | None) -> str:
    """The name of the task to predict for, or "all" or "auto".

    Raises:
        UserError: there are several and none was given, or there is none of that name.
    """
    if task is None and len(tasks) == 1:
        return tasks.names[0]
    names = ", ".join(tasks.names)
    if task is None:
        raise UserError(f"task: there are {len(tasks)} tasks; give one ({names}), all, or auto")
    if task in tasks.names or task in (ALL, AUTO):
        return task
    near = did_you_mean(task, tasks.names)
    raise UserError(f"task '{task}': unknown; {near + ' ' if near else ''}There are {names}")


class Classifiers:
    """The classifiers of a method, in which its classes are encoded: made when one is needed first,
    and kept."""

    def __init__(self, method: TaskClassifier) -> None:
        self.method = method

    @cached_property
    def of_all_tasks(self) -> Callable[[Tensor], Tensor]:
        """From features to logits of the classes of all tasks."""
        with torch.no_grad():
            return self.method.classifier()

    @cached_property
    def of_own_task(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The same, given the task of each image, with logits that are right for that task."""
        with torch.no_grad():
            return self.method.own_classifier()


class Predictor:
    """Classifies a stream of images; the classes are encoded once, when it is made.

    Args:
        method: what was trained.
        task: a task's name, "all" or "auto".
        top: how many classes of each image and task.
        classifiers: of the method, where several predictors share them.
    """

    def __init__(
        self,
        method: TaskClassifier,
        task: str,
        top: int = 1,
        classifiers: Classifiers | None = None,
    ) -> None:
        if top < 1:
            raise UserError(f"top = {top}: give 1 or more")
        self.method, self.task, self.top = method.eval(), task, top
        self.tasks = method.tasks
        # A task may have one of these names.
        self._all, self._auto = (task == word not in self.tasks.names for word in (ALL, AUTO))
        classifiers = classifiers or Classifiers(method)
        if self._all or self._auto:
            self._classify = classifiers.of_all_tasks
        else:
            own, index = classifiers.of_own_task, self.tasks.names.index(task)
            self._classify = lambda features: own(
                features, torch.full((len(features),), index, device=features.device)
            )

    def stream(
        self,
        images: Iterable[Any],
        preprocessing: Preprocessing,
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> Iterator[Entry]:
        """An entry for each image, in order; see :meth:`softcpt.AdaptedClip.predict`."""
        device = self.method.device
        stream = ImageStream(
            preprocessing,
            batch_size or (16 if device.type == "cpu" else 128),
            workers,
            pinned=device.type == "cuda",
        )
        waiting: tuple[ImageBatch, Tensor | None] | None = None
        with closing(stream.batches(images)) as batches:
            for batch in batches:
                logits = self._logits(stream.ready(batch, device))
                # Read a batch later: a GPU works on the next one meanwhile.
                if waiting:
                    yield from self._entries(*waiting)
                waiting = batch, logits
        if waiting:
            yield from self._entries(*waiting)

    @torch.no_grad()
    def _logits(self, images: Tensor | None) -> Tensor | None:
        return None if images is None else self._classify(self.method.encode_image(images))

    def _entries(self, batch: ImageBatch, logits: Tensor | None) -> Iterator[Entry]:
        found = iter([] if logits is None else self.ranked(logits.float().cpu()))
        for place in range(batch.count):
            error = batch.failed.get(place)
            if error is not None:
                yield Failed(error.path, error.reason)
            elif self.top == 1 and not self._all:
                yield next(found)[0]
            else:
                yield next(found)

    def ranked(self, logits: Tensor) -> list[list[Prediction]]:
        """The predictions of each image from logits (B, C) of the classes of all tasks."""
        if self._auto:
            owners = self.tasks.task_of_class[logits.argmax(dim=1)]
            rows: list[list[Prediction]] = [[] for _ in logits]
            for index in owners.unique().tolist():
                mine = (owners == index).nonzero()[:, 0]
                for row, best in zip(mine.tolist(), self._of_task(logits[mine], index)):
                    rows[row] = best
            return rows
        if self._all:
            by_task = [self._of_task(logits, index) for index in range(len(self.tasks))]
            return [[one for best in row for one in best] for row in zip(*by_task)]
        return self._of_task(logits, self.tasks.names.index(self.task))

    def _of_task(self, logits: Tensor, index: int) -> list[list[Prediction]]:
        """The best classes of one task."""
        task, own = self.tasks[index], logits[:, self.tasks.columns(index)].softmax(dim=1)
        values, columns = own.sort(dim=1, descending=True, stable=True)  # of equals the first
        expected: list[float | None] = [None] * len(own)
        if task.values:
            expected = (own.double() @ torch.tensor(task.values, dtype=torch.float64)).tolist()
        return [
            [
                Prediction(task.class_names[column], value, task.name, of_image)
                for value, column in zip(values_of_one, columns_of_one)
            ]
            for values_of_one, columns_of_one, of_image in zip(
                values[:, : self.top].tolist(), columns[:, : self.top].tolist(), expected
            )
        ]
