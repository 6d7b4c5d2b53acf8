"""Heads that end with a linear classifier: one row and one offset for every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.prompters.classifier import MethodOptions
from softcpt.prompters.heads.head import Head
from softcpt.tasks import TaskSet


@dataclass(frozen=True)
class Linear:
    """logits = f @ weight.T + bias, of one task.

    Attributes:
        weight: (C, D).
        bias: (C,); one zero for all classes if there is none.
    """

    weight: Tensor
    bias: Tensor = field(default_factory=lambda: torch.zeros(1))

    def __call__(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, C)."""
        return features @ self.weight.t() + self.bias.to(features)


class LinearHead(Head[Linear]):
    """A linear classifier for each task, all in one matrix; zero-shot until it is fitted.

    Attributes:
        weight: (C, D), the scale of the logits included.
        bias: (C,).
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: MethodOptions) -> None:
        super().__init__(clip, tasks, options)
        self.register_fitted("weight", clip.logit_scale.exp() * self.text)
        self.register_fitted("bias", self.no_bias())

    def fitted(self, task: int) -> Linear:
        """The task's rows."""
        columns = self.tasks.columns(task)
        return Linear(self.weight[columns], self.bias[columns])

    def logits(
        self, features: Tensor, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(B, D) normalised image features -> (B, C); of ``tasks`` or ``classes`` (B, C')."""
        columns = self.columns(tasks, classes)
        return features @ self.weight[columns].t() + self.bias[columns]

    @torch.no_grad()
    def keep(self, fitted: Mapping[int, Linear]) -> None:
        """Set the tasks' rows."""
        for task, linear in fitted.items():
            columns = self.tasks.columns(task)
            self.weight[columns] = linear.weight.to(self.weight)
            self.bias[columns] = linear.bias.to(self.bias)
