"""Measures what a run reached: the figures of every task, each image in its own task.

An image of several classes counts as one of the class predicted if that is among them, else as one
of its first: with that, accuracy, mean per-class accuracy and macro-F1 are what they are for images
of one class.

Two metrics rank images and need their logits, s_c of class c:

* map11: precision of the images with s_c >= s at recall r, at most over all thresholds s that reach
  r; mean over r = 0, 0.1, ..., 1, then over the classes that have test images (PASCAL VOC 2007's).
* roc_auc: of s_1 - s_0, which ranks as the probability of the second class does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score, roc_auc_score
from torch import Tensor

from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet, first, marks

_log = logging.getLogger(__name__)

RANKING = ("map11", "roc_auc")


@dataclass(frozen=True)
class TaskResult:
    """Figures of one task, in percent.

    Attributes:
        name, classes, total, correct: the task, its classes, its test images, those that are right.
        accuracy: correct / total.
        mean_per_class: mean recall of the classes that have test images.
        macro_f1: mean F1 of the classes that have test images.
        metric: the one that the task is measured by, among these or one that ranks.
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
    metric ranks."""

    def __init__(self, tasks: TaskSet) -> None:
        self.tasks = tasks
        self.ranking = [index for index, task in enumerate(tasks) if task.metric in RANKING]
        self._predictions: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._logits: dict[int, list[Tensor]] = {index: [] for index in self.ranking}

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
        tasks: all tasks, in the order of the global class indices.
        predictions: (N,) global class indices, each a class of the image's own task.
        labels: (N,) or (N, K) global class indices.
        logits: by task whose metric ranks, (n, C') of its n images in their order and its classes.

    Raises:
        UserError: the metric of a task is not defined for its images.
    """
    owner = tasks.owners(labels)
    results = []
    for index, task in enumerate(tasks):
        mine = owner == index
        if not mine.any():
            continue
        guess, truth = predictions[mine], _truth(predictions[mine], labels[mine])
        figures = _figures(guess.numpy(), truth.numpy())
        if task.metric in RANKING:
            metric = _RANKED[task.metric](
                task, (logits or {})[index], labels[mine] - tasks.offsets[index]
            )
        else:
            metric = figures[task.metric]
        results.append(
            TaskResult(
                task.name,
                len(task.class_names),
                int(mine.sum()),
                int((guess == truth).sum()),
                **figures,
                metric=metric,
            )
        )
    return results


def _truth(predictions: Tensor, labels: Tensor) -> Tensor:
    """(N,) the label that each image counts with: the prediction if it is one of them, else the
    first."""
    if labels.dim() == 1:
        return labels
    return torch.where((labels == predictions[:, None]).any(dim=1), predictions, labels[:, 0])


def _figures(guess: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Accuracy, mean recall and mean F1 of the classes in ``truth``, in percent."""
    right = truth == guess
    present = np.unique(truth)
    recalls = [right[truth == label].mean() for label in present]
    f1 = f1_score(truth, guess, average="macro", labels=present, zero_division=0)
    return {
        "accuracy": 100 * float(right.mean()),
        "mean_per_class": 100 * float(np.mean(recalls)),
        "macro_f1": 100 * float(f1),
    }


def _map11(_task: Task, logits: Tensor, labels: Tensor) -> float:
    """Of logits (n, C) and labels (n,) or (n, K), below 0 for none, in percent."""
    positive = marks(labels if labels.dim() > 1 else labels[:, None], logits.shape[1]).numpy()
    present = np.flatnonzero(positive.any(axis=0))
    return 100 * float(
        np.mean([average_precision_11(logits[:, c].numpy(), positive[:, c]) for c in present])
    )


def average_precision_11(scores: np.ndarray, positive: np.ndarray) -> float:
    """11-point interpolated average precision, 0 to 1, of scores (n,) and which images are positive
    (n,), one or more.

    Images of equal score count together, so their order does not matter.
    """
    order = np.argsort(-scores, kind="stable")
    # The last image of every score.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = np.cumsum(positive[order])[ends]
    precision, total = found / (ends + 1), found[-1]
    # recall >= i / 10, in whole numbers
    return float(np.mean([precision[10 * found >= i * total].max() for i in range(11)]))


def _roc_auc(task: Task, logits: Tensor, labels: Tensor) -> float:
    """Of logits (n, 2) and labels (n,) or (n, K), of which the first counts, in percent."""
    labels = first(labels)
    if len(torch.unique(labels)) < 2:
        raise UserError(
            f"task '{task.name}': metric roc_auc needs images of both classes, and all are of "
            f"'{task.class_names[int(labels[0])]}'; choose accuracy (DATASET.METRICS) or other "
            "images"
        )
    return 100 * float(roc_auc_score(labels.numpy(), (logits[:, 1] - logits[:, 0]).numpy()))


_RANKED = {"map11": _map11, "roc_auc": _roc_auc}


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
    total = sum(result.total for result in results)
    correct = sum(result.correct for result in results)
    means = overall(results)
    _log.info(
        f"=> result\n* total: {total:,}\n* correct: {correct:,}\n"
        f"* accuracy: {means['accuracy']:.2f}%\n"
        f"* error: {100 - means['accuracy']:.2f}%\n* macro_f1: {means['macro_f1']:.2f}%"
    )
    if per_task:
        for index, result in enumerate(results):
            _log.info(
                f"* task: {index} ({result.name})\ttotal: {result.total:,}\t"
                f"metric: {result.metric:.2f}%"
            )
        _log.info(f"* average: {means['overall_metric']:.2f}%")
    _log.info(f"* overall_metric: {means['overall_metric']:.2f}%")
