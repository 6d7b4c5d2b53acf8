"""ZS-LP: a linear probe on cosines that starts at the zero-shot classifier (Silva-Rodriguez et al.,
CVPR 2024, arXiv 2312.12730, the baseline of CLAP).

    logit of c = tau f . w_c / |w_c|,   w_c starts at t_c
    minimise the cross-entropy of the task's images and views

*Differs*: published are 300 epochs of SGD at 0.1 in batches of 256 over 20 cached views, each as
long as one view (``published``); here full batches, Adam and 50 steps. Neither needs validation
images. The published code's w starts at t as the tower gives it, not normalised: for t of length n
its learning rate is 0.1 / n^2 here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from softcpt.prompters.classifier import option
from softcpt.prompters.heads.head import Settings
from softcpt.prompters.heads.linear_head import Linear, LinearHead
from softcpt.prompters.heads.shots import Shots
from softcpt.prompters.heads.training import PublishedOptions, Recipe, cross_entropy, minimise

PUBLISHED = Recipe("sgd", lr=0.1, epochs=300, batch=256, dassl=True)


@dataclass
class ZSLPOptions(PublishedOptions):
    """Options of ZS-LP, and of CLAP."""

    lr: float = option(0.004, "learning rate of Adam's first step", key="HEAD_LR")
    steps: int = option(50, "optimiser steps, each over all images and views of the task")


class ZSLP(LinearHead):
    """Zero-shot initialised linear probe."""

    Options = ZSLPOptions
    closed_form = False
    several_labels = True

    options: ZSLPOptions

    def solver(self, shots: Shots) -> Callable[[Settings], Linear]:
        """The minimisation."""

        def solve(_: Settings) -> Linear:
            weight = shots.text.clone()

            def loss(samples: Tensor, targets: Tensor) -> Tensor:
                logits = shots.scale * samples @ F.normalize(weight, dim=1).t()
                return cross_entropy(logits, targets) + self.penalty(weight, shots)

            minimise(loss, shots, [weight], self.options.choose(PUBLISHED))
            return Linear(shots.scale * F.normalize(weight, dim=1))

        return solve

    def penalty(self, weight: Tensor, shots: Shots) -> Tensor:  # noqa: ARG002 - CLAP's does
        """What holds the weights (C, D) back: nothing."""
        return weight.new_zeros(())
