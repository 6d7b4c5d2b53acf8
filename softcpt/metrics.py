"""What a run reached: accuracy, mean per-class accuracy and macro-F1 of every task, each image in its own task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import f1_score
from torch import Tensor

from softcpt.tasks import TaskSet


@dataclass(frozen=True)
class TaskResult:
    """Figures of one task, in percent.

    Attributes:
        name, classes, total, correct: the task, its classes, its test images, those that are right.
        accuracy: correct / total.
        mean_per_class: mean recall of the classes that have test images.
        macro_f1: mean F1 of the classes that have test images.
        metric: the one of these that the task is measured by.
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


def task_results(tasks: TaskSet, predictions: Tensor, labels: Tensor) -> list[TaskResult]:
    """Figures of every task that has images.

    Args:
        predictions, labels: (N,) global class indices; each prediction is a class of the image's own task.
    """
    owner = tasks.task_of_class[labels].numpy()
    predictions, labels = predictions.numpy(), labels.numpy()
    results = []
    for index, task in enumerate(tasks):
        mine = owner == index
        if not mine.any():
            continue
        truth, guess = labels[mine], predictions[mine]
        right = truth == guess
        present = np.unique(truth)
        accuracy = 100 * float(right.mean())
        recall = 100 * float(np.mean([right[truth == label].mean() for label in present]))
        f1 = 100 * float(f1_score(truth, guess, average="macro", labels=present, zero_division=0))
        results.append(TaskResult(task.name, len(task.class_names), int(mine.sum()), int(right.sum()), accuracy, recall,
                                  f1, accuracy if task.metric == "accuracy" else recall))
    return results


def overall(results: Sequence[TaskResult]) -> dict[str, float]:
    """Unweighted means over tasks (the papers' overall metric), and the accuracy over all images, in percent."""
    return {
        "overall_metric": float(np.mean([result.metric for result in results])),
        "accuracy": 100 * sum(r.correct for r in results) / sum(r.total for r in results),
        "mean_accuracy": float(np.mean([result.accuracy for result in results])),
        "macro_f1": float(np.mean([result.macro_f1 for result in results])),
    }


def print_results(results: Sequence[TaskResult], per_task: bool = True) -> None:
    """The lines that the field's result parsers read (Dassl's and SoftCPT's)."""
    total, correct, means = sum(r.total for r in results), sum(r.correct for r in results), overall(results)
    print(f"=> result\n* total: {total:,}\n* correct: {correct:,}\n* accuracy: {means['accuracy']:.2f}%\n"
          f"* error: {100 - means['accuracy']:.2f}%\n* macro_f1: {means['macro_f1']:.2f}%")
    if per_task:
        for index, result in enumerate(results):
            print(f"* task: {index} ({result.name})\ttotal: {result.total:,}\tmetric: {result.metric:.2f}%")
        print(f"* average: {means['overall_metric']:.2f}%")
    print(f"* overall_metric: {means['overall_metric']:.2f}%")
