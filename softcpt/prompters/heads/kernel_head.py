"""Heads that remember training images: what is near one of them gets its label, beside zero-shot.

    out_c(f) = z_c(f) + sum_m exp(-beta (1 - f . F_m)) L_mc

F_m are keys (features of training images), L_mc what a key says for class c, z zero-shot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.prompters.base import PromptOptions
from softcpt.prompters.heads.head import Head
from softcpt.tasks import TaskSet


@dataclass(frozen=True)
class Memory:
    """Keys and what they say, of one task.

    Attributes:
        keys: (M, D) F.
        values: (M, C) L, the weight beside zero-shot included.
        beta: sharpness.
        text: (C, D) t, times the scale of the logits.
        probabilities: whether z is the softmax over the task's classes of tau f . t, and the result
            is scaled by tau; else z is tau f . t itself.
        scale: tau.
    """

    keys: Tensor
    values: Tensor
    beta: float | Tensor
    text: Tensor
    probabilities: bool
    scale: float

    def __call__(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, C)."""
        zero_shot = self.scale * features @ self.text.t()
        remembered = kernel(features, self.keys, self.beta) @ self.values
        if not self.probabilities:
            return zero_shot + remembered
        return self.scale * (zero_shot.softmax(dim=1) + remembered)


def kernel(features: Tensor, keys: Tensor, beta: float | Tensor) -> Tensor:
    """(B, M) exp(-beta (1 - f . F)) of features (B, D) and keys (M, D): of unit vectors a Gaussian
    of their distance."""
    return (-beta * (1 - features @ keys.t())).exp()


class KernelHead(Head[Memory]):
    """Keys and values of every task; zero-shot until it is fitted.

    Attributes:
        keys: (T, M, D), M that of the task with most keys, zeros behind the others' own.
        values: (C, M), zero where there is no key.
        beta: (T,).
        probabilities: see :class:`Memory`.
    """

    probabilities: bool = False

    keys: Tensor
    values: Tensor
    beta: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: PromptOptions) -> None:
        super().__init__(clip, tasks, options)
        self.register_fitted("keys", torch.zeros(len(tasks), 0, clip.embed_dim, device=clip.device))
        self.register_buffer("values", torch.zeros(tasks.num_classes, 0, device=clip.device))
        self.register_buffer("beta", torch.zeros(len(tasks), device=clip.device))

    def rows(self, name: str) -> str:
        """Keys and sharpness are the tasks', values the classes'."""
        return "class" if name == "values" else "task"

    def memory(self, task: int) -> Memory:
        """What is kept of a task."""
        columns, scale = self.tasks.columns(task), self.clip.logit_scale.exp().item()
        values, text = self.values[columns].t(), self.text[columns]
        return Memory(self.keys[task], values, self.beta[task], text, self.probabilities, scale)

    def logits(self, features: Tensor, tasks: Sequence[int] | None = None) -> Tensor:
        """(B, D) normalised image features -> (B, C)."""
        chosen, _ = self.tasks.chosen(tasks)
        return torch.cat([self.memory(task)(features) for task in chosen], dim=1)

    @torch.no_grad()
    def keep(self, task: int, fitted: Memory) -> None:
        """Write a task's keys and values, with room for as many as it has."""
        count = len(fitted.keys)
        self._make_room(max(count, self.keys.shape[1]))
        columns = self.tasks.columns(task)
        self.keys[task], self.values[columns] = 0.0, 0.0
        self.keys[task, :count] = fitted.keys.to(self.keys)
        self.values[columns, :count] = fitted.values.t().to(self.values)
        self.beta[task] = float(fitted.beta)

    def _make_room(self, most: int) -> None:
        for tensor in (self.keys, self.values):
            grown = tensor.new_zeros((tensor.shape[0], most, *tensor.shape[2:]))
            grown[:, : tensor.shape[1]] = tensor.detach()
            tensor.data = grown

    def load_reference_state(
        self, state: Mapping[str, Tensor], trained: TaskSet | None = None
    ) -> None:
        """As of every method; the number of keys is that of ``state``."""
        if "keys" in state:
            most = state["keys"].shape[1]
            self.keys.data = self.keys.new_zeros((len(self.tasks), most, self.clip.embed_dim))
            self.values.data = self.values.new_zeros((self.tasks.num_classes, most))
        super().load_reference_state(state, trained)
