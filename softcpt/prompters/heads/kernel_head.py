"""Heads that remember training images: what is near one of them gets its label, beside zero-shot.

    out_c(f) = z_c(f) + sum_m exp(-beta (1 - f . F_m)) L_mc

F_m are keys (features of training images), L_mc what a key says for class c, z zero-shot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.prompters.classifier import MethodOptions
from softcpt.prompters.heads.head import Head
from softcpt.prompters.task_matching import origin_of
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
        keys: (M, D), those of all tasks, one task's behind the other's.
        counts: (T,) keys of each task.
        values: (C, most), what the keys of a class's task say for it; zero where there is no key.
        beta: (T,).
        probabilities: see :class:`Memory`.
    """

    probabilities: bool = False

    keys: Tensor
    counts: Tensor
    values: Tensor
    beta: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: MethodOptions) -> None:
        super().__init__(clip, tasks, options)
        self.register_fitted("keys", torch.zeros(0, clip.embed_dim, device=clip.device))
        self.register_buffer("counts", torch.zeros(len(tasks), dtype=torch.long))
        self.register_buffer("values", torch.zeros(tasks.num_classes, 0, device=clip.device))
        self.register_buffer("beta", torch.zeros(len(tasks), device=clip.device))

    def rows(self, name: str) -> str:
        """Counts and sharpness are the tasks', values the classes'; keys are sorted here."""
        return {"keys": "", "values": "class"}.get(name, "task")

    def fitted(self, task: int) -> Memory:
        """What is kept of a task."""
        columns, scale = self.tasks.columns(task), self.clip.logit_scale.exp().item()
        keys = torch.split(self.keys, self.counts.tolist())[task]
        values = self.values[columns, : len(keys)].t()
        text = self.text[columns]
        return Memory(keys, values, self.beta[task], text, self.probabilities, scale)

    @torch.no_grad()
    def keep(self, fitted: Mapping[int, Memory]) -> None:
        """Write the tasks' keys and values, with room for as many as there are."""
        memories = [fitted.get(task) or self.fitted(task) for task in range(len(self.tasks))]
        counts = [len(memory.keys) for memory in memories]
        self._resize(sum(counts), max(counts))
        self.counts.copy_(torch.tensor(counts))
        torch.cat([memory.keys.to(self.keys) for memory in memories], out=self.keys.data)
        self.values.zero_()
        for task, memory in enumerate(memories):
            columns = self.tasks.columns(task)
            self.values[columns, : counts[task]] = memory.values.t().to(self.values)
            self.beta[task] = float(memory.beta)

    def _resize(self, keys: int, most: int) -> None:
        """Room for so many keys in all, and at most in a task; what was there is gone."""
        self.keys.data = self.keys.new_empty(keys, self.clip.embed_dim)
        self.values = self.values.new_empty(self.tasks.num_classes, most)

    def load_reference_state(
        self, state: Mapping[str, Tensor], trained: TaskSet | None = None
    ) -> None:
        """As of every method; there are as many keys as ``state`` has for these tasks."""
        if not {"keys", "counts", "values"} <= state.keys():
            super().load_reference_state(state, trained)  # which says what is missing
            return
        if trained is not None:
            of_task = torch.split(state["keys"], state["counts"].tolist())
            own = [of_task[origin_of(trained, task)] for task in self.tasks]
            state = {**state, "keys": torch.cat(own)}
        self._resize(len(state["keys"]), state["values"].shape[1])
        super().load_reference_state(state, trained)
