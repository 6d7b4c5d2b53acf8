"""TaskRes: a free residual beside every class embedding (Yu et al., CVPR 2023, arXiv 2211.10277).

    logit of c = tau f . (t_c + alpha x_c),   x_c starts at 0

alpha = 0.5, trained by cross-entropy. *Differs*: published are 100 or 200 epochs in batches of 256;
here as many full batches as Emoji-44's validation images ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.prompters.classifier import option
from softcpt.prompters.heads.head import Settings
from softcpt.prompters.heads.linear_head import Linear, LinearHead
from softcpt.prompters.heads.shots import Shots
from softcpt.prompters.heads.training import TrainedOptions, cross_entropy, minimise


@dataclass
class TaskResOptions(TrainedOptions):
    """Options of TaskRes."""

    alpha: float = option(0.5, "weight of the residual")
    lr: float = option(0.002, "learning rate of Adam's first step", key="HEAD_LR")
    steps: int = option(200, "optimiser steps, each over all images and views of the task")


class TaskRes(LinearHead):
    """w_c = t_c + alpha x_c."""

    Options = TaskResOptions
    closed_form = False
    several_labels = True

    options: TaskResOptions

    def solver(self, shots: Shots) -> Callable[[Settings], Linear]:
        """The minimisation."""

        def solve(_: Settings) -> Linear:
            residual = torch.zeros_like(shots.text)

            def weight() -> Tensor:
                return shots.scale * (shots.text + self.options.alpha * residual)

            def loss() -> Tensor:
                return cross_entropy(shots.samples @ weight().t(), shots.sample_targets)

            minimise(loss, [residual], self.options)
            return Linear(weight())

        return solve
