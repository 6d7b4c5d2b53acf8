"""TaskRes: a free residual beside every class embedding (Yu et al., CVPR 2023, arXiv 2211.10277).

    logit of c = tau f . w_c / |w_c|,   w_c = t_c + alpha x_c,   x_c starts at 0

alpha = 0.5, trained by cross-entropy. *Differs*: published are 100 epochs (above four shots 200) in
batches of 256, with weight decay on x (``published``); here as many full batches as Emoji-44's
validation images ask for. The published code adds x to embeddings that are not normalised: for t of
length n its alpha is alpha / n here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from softcpt.prompters.classifier import option
from softcpt.prompters.heads.head import Settings
from softcpt.prompters.heads.linear_head import Linear, LinearHead
from softcpt.prompters.heads.shots import Shots
from softcpt.prompters.heads.training import PublishedOptions, Recipe, cross_entropy, minimise

PUBLISHED = Recipe(
    "adam", lr=0.002, epochs=100, batch=256, in_turn=True, dassl=True, weight_decay=5e-4
)
PUBLISHED_LONG = replace(PUBLISHED, epochs=200)  # above four shots


@dataclass
class TaskResOptions(PublishedOptions):
    """Options of TaskRes."""

    alpha: float = option(0.5, "weight of the residual")
    lr: float = option(0.002, "learning rate of Adam's first step", key="HEAD_LR")
    steps: int = option(200, "optimiser steps, each over all images and views of the task")


class TaskRes(LinearHead):
    """w_c = t_c + alpha x_c, as a direction."""

    Options = TaskResOptions
    closed_form = False
    several_labels = True

    options: TaskResOptions

    def solver(self, shots: Shots) -> Callable[[Settings], Linear]:
        """The minimisation."""

        def solve(_: Settings) -> Linear:
            residual = torch.zeros_like(shots.text)
            published = PUBLISHED if shots.shots <= 4 else PUBLISHED_LONG

            def weight() -> Tensor:
                moved = shots.text + self.options.alpha * residual
                return shots.scale * F.normalize(moved, dim=1)

            def loss(samples: Tensor, targets: Tensor) -> Tensor:
                return cross_entropy(samples @ weight().t(), targets)

            minimise(loss, shots, [residual], self.options.choose(published))
            return Linear(weight())

        return solve
