"""What is kept of tested images in place of their logits: the best classes of each image's own
task, and their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.tasks import TaskSet

BEST = 5


@dataclass(frozen=True)
class Ranked:
    """N tested images, on the CPU.

    Attributes:
        classes: (N, 5) int32 global indices of the best classes of the image's own task, the best
            first; of equal ones the first in the task's order. -1 where the task has no more.
        probabilities: (N, 5) fp32, softmax over the classes of the image's own task; 0 for -1.
        labels: (N,) or (N, K) global class indices (:class:`softcpt.tasks.TaskSet`).
    """

    classes: Tensor
    probabilities: Tensor
    labels: Tensor

    @classmethod
    def of(cls, tasks: TaskSet, logits: Tensor, labels: Tensor) -> Ranked:
        """Of logits (N, C) and labels (N,) or (N, K)."""
        own, _ = tasks.restrict(logits, labels)
        values, columns = own.topk(min(BEST + 1, own.shape[1]), dim=1)
        # topk puts equal values in any order.
        tied = ((values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -torch.inf)).any(dim=1)
        if tied.any():
            order = own[tied].argsort(dim=1, descending=True, stable=True)
            columns[tied] = order[:, : columns.shape[1]]
        columns = columns[:, :BEST]
        probabilities = own.softmax(dim=1).gather(1, columns)
        owner = tasks.owners(labels)
        foreign = tasks.task_of_class.to(columns.device)[columns] != owner[:, None]
        classes = torch.full((len(columns), BEST), -1, dtype=torch.int32)
        kept = torch.zeros(len(columns), BEST)
        classes[:, : columns.shape[1]] = columns.masked_fill(foreign, -1).int().cpu()
        kept[:, : columns.shape[1]] = probabilities.masked_fill(foreign, 0).float().cpu()
        return cls(classes, kept, labels.cpu())

    @classmethod
    def joined(cls, parts: Sequence[Ranked]) -> Ranked:
        """Those of several batches, in order."""
        return cls(
            torch.cat([part.classes for part in parts]),
            torch.cat([part.probabilities for part in parts]),
            torch.cat([part.labels for part in parts]),
        )

    def __getitem__(self, rows: Tensor) -> Ranked:
        """The images at ``rows``, a mask (N,) or indices."""
        return Ranked(self.classes[rows], self.probabilities[rows], self.labels[rows])

    @property
    def predictions(self) -> Tensor:
        """(N,) global index of the class predicted."""
        return self.classes[:, 0].long()
