"""LP++: a linear probe whose weights blend image prototypes and text with a trained multiplier for
each class (Huang et al., CVPR 2024, arXiv 2404.02285).

    logit of c = f . (w_c + alpha_c t_c) + b_c
    w_c starts at the sum of the samples of c, alpha_c at tau, b_c at 0

Cross-entropy is minimised by gradient descent over full batches whose step is set by the data: for
each block of unknowns 4 N / lambda_max(X'X), X its inputs (f for w; f . t_c for alpha_c; 1 for
b_c), an implicit Lipschitz constant in place of a learning rate.
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


class LPPlusPlus(LinearHead):
    """A linear probe beside scaled class embeddings."""

    Options = LPPlusPlusOptions
    closed_form = False
    several_labels = True

    options: LPPlusPlusOptions

    def solver(self, shots: Shots) -> Callable[[Settings], Linear]:
        """Gradient descent; the gradients are written out."""

        def solve(_: Settings) -> Linear:
            samples, targets = shots.samples, shots.sample_targets
            cosines = samples @ shots.text.t()
            weight = targets.t() @ samples / shots.features.shape[1]
            alpha = torch.full_like(targets[0], shots.scale)
            bias = torch.zeros_like(alpha)
            step = 4 * len(samples) / largest_eigenvalue(samples)
            step_alpha = 4 * len(samples) / cosines.square().sum(dim=0).max()
            for _step in range(self.options.steps):
                logits = samples @ weight.t() + alpha * cosines + bias
                error = (logits.softmax(dim=1) - targets) / len(samples)
                weight = weight - step * error.t() @ samples
                alpha = alpha - step_alpha * (error * cosines).sum(dim=0)
                bias = bias - 4 * error.sum(dim=0)
            return Linear(weight + alpha[:, None] * shots.text, bias)

        return solve


def largest_eigenvalue(samples: Tensor) -> Tensor:
    """lambda_max(F'F) of features F (N, D), from the smaller of its two Gram matrices."""
    tall = samples.shape[0] > samples.shape[1]
    gram = samples.t() @ samples if tall else samples @ samples.t()
    values: Tensor = torch.linalg.eigvalsh(gram)
    return values[-1]
