"""Cross-modal linear probe: class names are training samples of their classes (Lin et al., CVPR
2023, arXiv 2301.06267).

    logit of c = tau f . w_c,   w_c starts at t_c
    minimise (cross-entropy of image features + cross-entropy of text features t_c, labels c) / 2

*Differs*: published are batches with as many texts as images and a search for learning rate, weight
decay and length on validation images; here full batches of both and fixed settings.
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
class CrossModalOptions(TrainedOptions):
    """Options of the cross-modal linear probe."""

    lr: float = option(0.001, "learning rate of Adam's first step", key="HEAD_LR")
    steps: int = option(200, "optimiser steps, each over all images, views and names of the task")


class CrossModal(LinearHead):
    """A linear probe on images and names."""

    Options = CrossModalOptions
    closed_form = False
    several_labels = True

    options: CrossModalOptions

    def solver(self, shots: Shots) -> Callable[[Settings], Linear]:
        """The minimisation."""

        def solve(_: Settings) -> Linear:
            weight = shots.text.clone()
            names = torch.eye(len(weight), device=weight.device)

            def loss(samples: Tensor, targets: Tensor) -> Tensor:
                images = shots.scale * samples @ weight.t()
                texts = shots.scale * shots.text @ weight.t()
                return (cross_entropy(images, targets) + cross_entropy(texts, names)) / 2

            minimise(loss, shots, [weight], self.options.own())
            return Linear(shots.scale * weight)

        return solve
