"""PCGrad: a step along the sum of the tasks' gradients, without what conflicts between them (Yu et
al. 2020, arXiv 2001.06782, Algorithm 1).

    for every task i, over the other tasks j in random order:
        g_i <- g_i - (g_i . g_j / |g_j|^2) g_j      if g_i . g_j < 0        g_j as it was
    step along sum_i g_i

A projected gradient is a sum of the given ones, so their inner products (T, T) say all: the step is
along sum_k a_k g_k, that is, the step of the losses with weights a_k, which are never below 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def conflict_weights(
    gram: NDArray[np.float64], orders: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """(T,) the weights a of the tasks' gradients in the step.

    Args:
        gram: (T, T) inner products of the gradients. Where one is not finite (an overflow, which a
            loss scaler sees in the backward pass, too) all weights are 1.
        orders: for each task the tasks in the order in which it is compared with them; itself, if
            it is there, is left out.
    """
    count = len(gram)
    if not np.isfinite(gram).all():
        return np.ones(count)
    weights = np.zeros(count)
    for task in range(count):
        parts = np.zeros(count)  # of the given gradients in this projected one
        parts[task] = 1.0
        products = gram[task].copy()  # of the projected one with the given ones
        for other in orders[task]:
            if other == task or products[other] >= 0 or gram[other, other] == 0:
                continue
            share = products[other] / gram[other, other]
            parts[other] -= share
            products -= share * gram[other]
        weights += parts
    return weights


class TaskGradients:
    """The gradients of T losses with respect to the same parameters: T times their size in memory.

    Args:
        parameters: with respect to which.
        count: T.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], count: int) -> None:
        self.parameters, self.count = list(parameters), count
        self._rows: dict[int, Tensor] = {}  # parameter -> (T, size)

    def add(self, task: int, loss: Tensor, scale: float, keep_graph: bool) -> None:
        """Compute those of a task's ``loss``.

        Args:
            task: counted from 0.
            loss: 0-dim.
            scale: the loss scaler's factor, which guards the backward pass against underflow; the
                gradients kept are without it.
            keep_graph: other losses depend on parts of the same graph.
        """
        found = torch.autograd.grad(
            loss * scale, self.parameters, retain_graph=keep_graph, allow_unused=True
        )
        for number, gradient in enumerate(found):
            if gradient is None:
                continue
            if number not in self._rows:
                self._rows[number] = gradient.new_zeros(self.count, gradient.numel())
            torch.div(gradient.flatten(), scale, out=self._rows[number][task])

    def gram(self, factors: Tensor) -> NDArray[np.float64]:
        """(T, T) inner products of the gradients times ``factors`` (T,). The host waits, once."""
        products = [(rows @ rows.t()).flatten() for rows in self._rows.values()]
        read = torch.cat([factors, *products]).cpu().double().numpy()
        scales, grams = np.split(read, [self.count])
        total = sum(grams.reshape(-1, self.count, self.count), np.zeros((self.count, self.count)))
        return total * np.outer(scales, scales)

    def loss(self, value: Tensor, weights: Tensor) -> Tensor:
        """A loss of that ``value`` whose ``backward()`` gives the parameters the sum of the
        gradients with ``weights`` (T,); a parameter on which no loss depends gets none."""
        sums: list[Tensor | None] = [None] * len(self.parameters)
        for number, rows in self._rows.items():
            total = weights.to(rows.dtype) @ rows
            sums[number] = total.view_as(self.parameters[number])
        given: Tensor = _Given.apply(value, sums, *self.parameters)
        return given


class _Given(torch.autograd.Function):
    """A value, with gradients that were computed before."""

    @staticmethod
    def forward(
        ctx: Any, value: Tensor, gradients: Sequence[Tensor | None], *_: nn.Parameter
    ) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        found = [None if one is None else factor * one for one in ctx.gradients]
        return None, None, *found
