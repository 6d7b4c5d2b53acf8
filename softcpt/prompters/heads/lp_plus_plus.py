"""LP++: a linear probe whose weights blend image prototypes and text with a trained multiplier for
each class (Huang et al., CVPR 2024, arXiv 2404.02285).

    logit of c = f . (w_c + alpha_c t_c) + b_c
    w_c starts at the sum of the samples of c, alpha_c at tau, b_c at 0

Cross-entropy is minimised by gradient descent over full batches whose step is set by the data: for
each block of unknowns 4 N / lambda_max(X'X), X its inputs (f for w; f . t_c for alpha_c; 1 for
b_c), an implicit Lipschitz constant in place of a learning rate.

*Differs*: in the published code w and b have momentum 0.9 and the step of w; alpha_c start at 2.5
tau times the mean cosine of images and their own names, and every tenth step adds up all gradients
since the first, with N / (4 max_c sum (f . t_c)^2) for a step (``published``). It draws the first b
at random, and takes the best epoch on validation images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.prompters.classifier import MethodOptions, option
from softcpt.prompters.heads.head import Settings
from softcpt.prompters.heads.linear_head import Linear, LinearHead
from softcpt.prompters.heads.shots import Shots


@dataclass
class LPPlusPlusOptions(MethodOptions):
    """Options of LP++."""

    steps: int = option(
        300, "steps of gradient descent, each over all images and views of the task"
    )
    published: bool = option(
        False, "momentum, alpha's start and its steps are those of the published code"
    )


class LPPlusPlus(LinearHead):
    """A linear probe beside scaled class embeddings."""

    Options = LPPlusPlusOptions
    closed_form = False
    several_labels = True

    options: LPPlusPlusOptions

    def solver(self, shots: Shots) -> Callable[[Settings], Linear]:
        """Gradient descent; the gradients are written out."""

        def solve(_: Settings) -> Linear:
            descent = Descent(shots, self.options.published)
            for step in range(1, self.options.steps + 1):
                descent.take(step)
            return Linear(descent.weight + descent.alpha[:, None] * shots.text, descent.bias)

        return solve


class Descent:
    """The unknowns, and one step after the other.

    Attributes:
        weight: (C, D) w.
        alpha: (C,).
        bias: (C,) b.
    """

    def __init__(self, shots: Shots, published: bool) -> None:
        samples, targets = shots.samples, shots.sample_targets
        self.samples, self.targets = samples, targets
        self.cosines = samples @ shots.text.t()
        self.weight = targets.t() @ samples / shots.features.shape[1]
        start = 2.5 * shots.scale * own_cosine(shots) if published else shots.scale
        self.alpha = torch.full_like(targets[0], start)
        self.bias = torch.zeros_like(self.alpha)
        self.step = 4 * len(samples) / largest_eigenvalue(samples)
        most = self.cosines.square().sum(dim=0).max()
        self.step_alpha = len(samples) / (4 * most) if published else 4 * len(samples) / most
        self.step_bias: Tensor | float = self.step if published else 4.0
        # Of the published code: SGD's momentum, and gradients of alpha that are never cleared.
        self.momentum, self.kept, self.every = (0.9, 1.0, 10) if published else (0.0, 0.0, 1)
        self.moves = [torch.zeros_like(x) for x in (self.weight, self.alpha, self.bias)]

    def take(self, step: int) -> None:
        """Step number ``step``, from 1."""
        logits = self.samples @ self.weight.t() + self.alpha * self.cosines + self.bias
        error = (logits.softmax(dim=1) - self.targets) / len(self.samples)
        weight, alpha, bias = self.moves
        self.moves = [
            self.momentum * weight + self.step * error.t() @ self.samples,
            self.kept * alpha + self.step_alpha * (error * self.cosines).sum(dim=0),
            self.momentum * bias + self.step_bias * error.sum(dim=0),
        ]
        self.weight = self.weight - self.moves[0]
        if step % self.every == 0:
            self.alpha = self.alpha - self.moves[1]
        self.bias = self.bias - self.moves[2]


def own_cosine(shots: Shots) -> float:
    """Mean over classes with images of the mean of f . t_c over the samples of c."""
    targets = shots.sample_targets
    of_class = (targets * (shots.samples @ shots.text.t())).sum(dim=0)[shots.seen]
    return (of_class / targets.sum(dim=0)[shots.seen]).mean().item()


def largest_eigenvalue(samples: Tensor) -> Tensor:
    """lambda_max(F'F) of features F (N, D), from the smaller of its two Gram matrices."""
    tall = samples.shape[0] > samples.shape[1]
    gram = samples.t() @ samples if tall else samples @ samples.t()
    values: Tensor = torch.linalg.eigvalsh(gram)
    return values[-1]
