"""What a run reached: the figures of every task, each image in its own task.

How each figure is computed is in softcpt/metrics.py.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from softcpt.metrics import METRICS, TestedImages, accuracy, macro_f1, mean_per_class
from softcpt.tasks import TaskSet

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskResult:
    """Figures of one task, in percent.

    Attributes:
        name, classes, total, correct: the task, its classes, its test images, those that are right.
        accuracy: correct / total.
        mean_per_class: mean recall of the classes that have test images.
        macro_f1: mean F1 of the classes that have test images.
        metric: the one that the task is measured by (:data:`softcpt.metrics.METRICS`).
    """

    name: str
    classes: int
    total: int
    correct: int
    accuracy: float
    mean_per_class: float
    macro_f1: float
    metric: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Tally:
    """What is kept of the images of a test: predictions and labels, and the logits of tasks whose
    metric needs them."""

    def __init__(self, tasks: TaskSet) -> None:
        self.tasks = tasks
        self._predictions: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._logits: dict[int, list[Tensor]] = {
            index: [] for index, task in enumerate(tasks) if METRICS[task.metric].needs_logits
        }

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Add logits (B, C) and global labels, (B,) or (B, K) (:class:`softcpt.tasks.TaskSet`)."""
        self._predictions.append(self.tasks.predict(logits, labels).cpu())
        self._labels.append(labels.cpu())
        owners = self.tasks.owners(labels)
        for index, kept in self._logits.items():
            kept.append(logits[owners == index][:, self.tasks.columns(index)].float().cpu())

    def results(self) -> list[TaskResult]:
        """Figures of every task that has images."""
        logits = {index: torch.cat(kept) for index, kept in self._logits.items()}
        return task_results(
            self.tasks, torch.cat(self._predictions), torch.cat(self._labels), logits
        )


def task_results(
    tasks: TaskSet, predictions: Tensor, labels: Tensor, logits: Mapping[int, Tensor] | None = None
) -> list[TaskResult]:
    """Figures of every task that has images.

    Args:
        tasks: all tasks.
        predictions: (N,) global class indices, each a class of the image's own task.
        labels: (N,) or (N, K) global class indices.
        logits: by task whose metric needs them, (n, C') of its n images in their order and its
            classes.

    Raises:
        UserError: the metric of a task is not defined for its images.
    """
    owner = tasks.owners(labels)
    logits = logits or {}
    results = []
    for index, task in enumerate(tasks):
        mine = owner == index
        if not mine.any():
            continue
        images = _tested(tasks, index, predictions[mine], labels[mine], logits.get(index))
        results.append(
            TaskResult(
                task.name,
                len(task.class_names),
                total=len(images.truths),
                correct=int((images.predictions == images.truths).sum()),
                accuracy=accuracy(images),
                mean_per_class=mean_per_class(images),
                macro_f1=macro_f1(images),
                metric=METRICS[task.metric].figure(images),
            )
        )
    return results


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
    )


def overall(results: Sequence[TaskResult]) -> dict[str, float]:
    """Unweighted means over tasks (the papers' overall metric), and the accuracy over all images,
    in percent."""
    return {
        "overall_metric": float(np.mean([result.metric for result in results])),
        "accuracy": 100 * sum(r.correct for r in results) / sum(r.total for r in results),
        "mean_accuracy": float(np.mean([result.accuracy for result in results])),
        "macro_f1": float(np.mean([result.macro_f1 for result in results])),
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
    _log.info(f"* overall_metric: {means['overall_metric']:.2f}%")
