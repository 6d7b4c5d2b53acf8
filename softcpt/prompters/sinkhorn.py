"""Optimal transport plans by Sinkhorn's iterations (Cuturi 2013, arXiv 1306.0895), as PLOT takes
them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# On a device the host asks after so many iterations whether there is more to do.
ASK_AFTER = 5


@dataclass
class Solved:
    """How plans were found.

    Attributes:
        iterations: of Sinkhorn's algorithm.
        wrong: 0-dim, 1 if these were not enough, else 0; None: the device was asked, or no more
            are allowed.
    """

    iterations: int
    wrong: Tensor | None = None


def transport_plan(
    similarity: Tensor, eps: float = 0.1, iterations: int = 100, tolerance: float = 1e-2
) -> Tensor:
    """The plan of :func:`solve_transport` for one problem."""
    return solve_transport([similarity], None, eps, iterations, tolerance)[0][0]


def solve_transport(
    similarities: Sequence[Tensor],
    guess: int | None = None,
    eps: float = 0.1,
    iterations: int = 100,
    tolerance: float = 1e-2,
) -> tuple[list[Tensor], Solved]:
    """Plans T (B, M, N, C) of marginals 1/M and 1/N and least cost 1 - S for each S (B, M, N, C) of
    ``similarities``, smoothed by ``eps``.

    Sinkhorn's iterations stop when the row scaling moves by less than ``tolerance``, mean over all
    plans of one S: a plan depends a little on its company, as in the published code. Of unit
    vectors in fp32 every plan is finite: the kernel is at least exp(-2 / eps) = 2e-9. Classes come
    last because that is how they lie in memory.

    With a ``guess`` there are so many iterations, and the device is not asked whether they do.
    """
    every = [_Sinkhorn(torch.exp((similarity - 1) / eps)) for similarity in similarities]
    if guess is not None:
        guess = min(guess, iterations)
        for number in range(guess):
            for problem in every:
                problem.iterate(tolerance, held=number > 0)
        wrong = (~torch.stack([problem.done for problem in every])).any().float()
        plans = [problem.plan() for problem in every]
        return plans, Solved(guess, wrong if guess < iterations else None)
    # Asked whether it is done a device makes the host wait: until then a problem that is done goes
    # on without effect.
    asks_after = 1 if similarities[0].device.type == "cpu" else ASK_AFTER
    running, number = every, 0
    while running and number < iterations:
        number += 1
        for problem in running:
            problem.iterate(tolerance, held=asks_after > 1 and number > 1)
        if number % asks_after == 0:
            done = torch.stack([problem.done for problem in running]).tolist()
            running = [problem for problem, stop in zip(running, done) if not stop]
    return [problem.plan() for problem in every], Solved(number)


class _Sinkhorn:
    """Row and column scalings of a kernel (B, M, N, C), and whether they are found."""

    def __init__(self, kernel: Tensor) -> None:
        self.kernel = kernel
        self.rows = torch.ones_like(kernel[:, :, :1])
        self.columns = torch.ones_like(kernel[:, :1])
        self.done = torch.zeros((), dtype=torch.bool, device=kernel.device)

    def plan(self) -> Tensor:
        """T, as far as it is found."""
        return self.rows * self.kernel * self.columns

    def iterate(self, tolerance: float, held: bool) -> None:
        """One iteration; with ``held`` it changes nothing where :attr:`done`."""
        m, n = self.kernel.shape[1:3]
        rows = 1 / m / (self.kernel * self.columns).sum(dim=2, keepdim=True)
        columns = 1 / n / (self.kernel * rows).sum(dim=1, keepdim=True)
        small = (rows - self.rows).abs().mean() < tolerance
        if held:
            rows = torch.where(self.done, self.rows, rows)
            columns = torch.where(self.done, self.columns, columns)
        self.rows, self.columns, self.done = rows, columns, self.done | small
