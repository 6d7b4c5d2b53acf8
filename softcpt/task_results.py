"""What a run reached: the figures of every task, each image in its own task.

How each figure is computed is in softcpt/metrics.py.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from softcpt.intervals import Interval, wilson, wilson_of_mean
from softcpt.metrics import (
    METRICS,
    TestedImages,
    accuracy,
    calibration_error,
    chance,
    in_top_5,
    macro_f1,
    mean_absolute_error,
    mean_per_class,
)
from softcpt.ranking import Ranked
from softcpt.tasks import Task, TaskSet

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PerClass:
    """Of every class of a task, in order, how many test images there are and how many are right."""

    images: tuple[int, ...]
    correct: tuple[int, ...]


@dataclass(frozen=True)
class Confusion:
    """Which classes were taken for which others, counted inside the task: the entries of the
    confusion matrix off its diagonal that are not 0, by rows. ``images`` of class ``truth`` were
    predicted as ``predicted``."""

    truth: tuple[int, ...]
    predicted: tuple[int, ...]
    images: tuple[int, ...]


@dataclass(frozen=True)
class TaskResult:
    """Figures of one task, in percent.

    Attributes:
        name, classes, total, correct: the task, its classes, its test images, those that are right.
        accuracy: correct / total.
        mean_per_class: mean recall of the classes that have test images.
        macro_f1: mean F1 of the classes that have test images.
        metric: the one that the task is measured by (:data:`softcpt.metrics.METRICS`).
        top5: images with a class among the five that are most probable; 100 for a task of five
            classes or fewer.
        chance: the accuracy of guessing.
        ece: expected calibration error.
        accuracy_ci95: 95 % interval of ``accuracy`` over the test images, Wilson's.
        per_class, confusion: numbers of images; one of several classes counts as one of the class
            predicted if that is among them, else of its first.
        mae: mean absolute error of an ordinal task's expected value, in its classes' units and not
            in percent; None: the task is none. No mean over tasks has a part of it.
    """

    name: str
    classes: int
    total: int
    correct: int
    accuracy: float
    mean_per_class: float
    macro_f1: float
    metric: float
    top5: float
    chance: float
    ece: float
    accuracy_ci95: Interval
    per_class: PerClass
    confusion: Confusion
    mae: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON; only an ordinal task has ``mae``."""
        found = asdict(self)
        return found if self.mae is not None else {k: v for k, v in found.items() if k != "mae"}


class Tally:
    """What is kept of the images of a test: their best classes and labels, and the logits of tasks
    whose metric needs them."""

    def __init__(self, tasks: TaskSet) -> None:
        self.tasks = tasks
        self._ranked: list[Ranked] = []
        self._logits: dict[int, list[Tensor]] = {
            index: []
            for index, task in enumerate(tasks)
            if METRICS[task.metric].needs_logits or task.values
        }

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Add logits (B, C) and global labels, (B,) or (B, K) (:class:`softcpt.tasks.TaskSet`); an
        image counts once in each of its tasks."""
        logits, labels = self.tasks.of_pairs(logits, labels)
        self._ranked.append(Ranked.of(self.tasks, logits, labels))
        if not self._logits:
            return
        owners = self.tasks.owners(labels)
        for index in sorted(self._logits.keys() & set(self.tasks.present(labels))):
            own = logits[owners == index][:, self.tasks.columns(index)]
            self._logits[index].append(own.float().cpu())

    def ranked(self) -> Ranked:
        """The best classes of all images, in the order in which they were added."""
        self._ranked = [Ranked.joined(self._ranked)]
        return self._ranked[0]

    def results(self) -> list[TaskResult]:
        """Figures of every task that has images.

        Raises:
            UserError: the metric of a task is not defined for its images.
        """
        ranked = self.ranked()
        owners = self.tasks.owners(ranked.labels)
        counts = torch.bincount(owners, minlength=len(self.tasks)).tolist()
        of_tasks = owners.argsort(stable=True).split(counts)
        results = []
        for index, mine in enumerate(of_tasks):
            if len(mine):
                kept = self._logits.get(index)
                logits = None if kept is None else torch.cat(kept)
                results.append(_task_result(self.tasks, index, ranked[mine], logits))
        return results


def metric_of(task: Task, logits: Tensor, labels: Tensor) -> float:
    """A task's own metric in percent, of logits (N, C) and labels (N,) or (N, K).

    Raises:
        UserError: the metric is not defined for these images.
    """
    predictions = logits.argmax(dim=1)
    return METRICS[task.metric].figure(_tested(TaskSet([task]), 0, predictions, labels, logits))


def _task_result(tasks: TaskSet, index: int, ranked: Ranked, logits: Tensor | None) -> TaskResult:
    """Of the images of one task, with (n, C') of its metric's logits if that needs them."""
    task = tasks[index]
    images = _tested(tasks, index, ranked.predictions, ranked.labels, logits)
    best, size = ranked.classes.numpy(), len(task.class_names)
    right = images.predictions == images.truths
    return TaskResult(
        task.name,
        size,
        total=len(right),
        correct=int(right.sum()),
        accuracy=accuracy(images),
        mean_per_class=mean_per_class(images),
        macro_f1=macro_f1(images),
        metric=METRICS[task.metric].figure(images),
        top5=in_top_5(np.where(best < 0, -1, best - tasks.offsets[index]), images.labels),
        chance=chance(images.labels, size),
        ece=calibration_error(ranked.probabilities[:, 0].numpy(), right),
        accuracy_ci95=wilson(int(right.sum()), len(right)),
        per_class=PerClass(
            tuple(np.bincount(images.truths, minlength=size).tolist()),
            tuple(np.bincount(images.truths[right], minlength=size).tolist()),
        ),
        confusion=_confusion(images.truths[~right], images.predictions[~right]),
        mae=mean_absolute_error(images) if task.values else None,
    )


def _confusion(truths: NDArray[np.int64], predictions: NDArray[np.int64]) -> Confusion:
    """Of the images that are wrong."""
    pairs, images = np.unique(np.stack([truths, predictions]), axis=1, return_counts=True)
    truth, predicted = pairs.tolist()
    return Confusion(tuple(truth), tuple(predicted), tuple(images.tolist()))


def _tested(
    tasks: TaskSet, index: int, predictions: Tensor, labels: Tensor, logits: Tensor | None
) -> TestedImages:
    """The images of one task, of predictions (n,) and labels (n,) or (n, K) counted over all
    tasks."""
    every = labels if labels.dim() > 1 else labels[:, None]
    among = (every == predictions[:, None]).any(dim=1)
    truths = torch.where(among, predictions, every[:, 0])
    offset = tasks.offsets[index]
    return TestedImages(
        tasks[index].name,
        tasks[index].class_names,
        predictions=(predictions - offset).numpy(),
        truths=(truths - offset).numpy(),
        # What stands for "no class" stays below zero.
        labels=torch.where(every < 0, -1, every - offset).numpy(),
        logits=None if logits is None else logits.numpy(),
        values=tasks[index].values,
    )


def overall(results: Sequence[TaskResult]) -> dict[str, float]:
    """Unweighted means over tasks (the papers' overall metric), and the accuracy over all images,
    in percent."""
    return {
        "overall_metric": float(np.mean([result.metric for result in results])),
        "accuracy": 100 * sum(r.correct for r in results) / sum(r.total for r in results),
        "mean_accuracy": float(np.mean([result.accuracy for result in results])),
        "macro_f1": float(np.mean([result.macro_f1 for result in results])),
        "top5": float(np.mean([result.top5 for result in results])),
        "chance": float(np.mean([result.chance for result in results])),
        "ece": float(np.mean([result.ece for result in results])),
    }


def intervals(results: Sequence[TaskResult]) -> dict[str, Interval]:
    """95 % intervals over the test images, in percent: of the accuracy over all of them, Wilson's,
    and of the mean of the tasks' accuracies (:func:`softcpt.intervals.wilson_of_mean`)."""
    return {
        "accuracy_ci95": wilson(sum(r.correct for r in results), sum(r.total for r in results)),
        "mean_accuracy_ci95": wilson_of_mean([(r.correct, r.total) for r in results]),
    }


def print_results(results: Sequence[TaskResult], per_task: bool = True) -> None:
    """The lines that the field's result parsers read (Dassl's and SoftCPT's)."""
    total, correct = sum(r.total for r in results), sum(r.correct for r in results)
    means = overall(results)
    _log.info(
        f"=> result\n* total: {total:,}\n* correct: {correct:,}\n"
        f"* accuracy: {means['accuracy']:.2f}%\n* error: {100 - means['accuracy']:.2f}%\n"
        f"* macro_f1: {means['macro_f1']:.2f}%"
    )
    if per_task:
        for index, result in enumerate(results):
            _log.info(
                f"* task: {index} ({result.name})\ttotal: {result.total:,}"
                f"\tmetric: {result.metric:.2f}%"
            )
        _log.info(f"* average: {means['overall_metric']:.2f}%")
    for result in results:
        if result.mae is not None:
            _log.info(f"* mean absolute error ({result.name}): {result.mae:.4g}")
    _log.info(f"* overall_metric: {means['overall_metric']:.2f}%")
