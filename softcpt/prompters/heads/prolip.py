"""ProLIP: the image tower's projection into the joint space is trained, text stays (Fahes et al.,
2024, arXiv 2410.05270).

    f = normalise(v W + b),   v the feature in front of the projection, W (D', D) trained, b fixed
    logit of c = tau f . t_c
    minimise cross-entropy + lambda |W - W_0|_F^2,   lambda = 1 / K for K shots

Nothing belongs to a class, so classes that are first named after training are served too. There is
a W for every task. *Differs*: published are 300 steps, each over one view of all images, and
learning rates of 1e-5 to 1e-2 (``published``: 1e-5); here all views, and as many steps as
Emoji-44's validation images ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.prompters.classifier import option
from softcpt.prompters.heads.head import Head, Settings
from softcpt.prompters.heads.shots import Shots
from softcpt.prompters.heads.training import PublishedOptions, Recipe, cross_entropy, minimise
from softcpt.tasks import TaskSet

PUBLISHED = Recipe("adam", lr=1e-5, epochs=300, in_turn=True, eps=1e-4)


@dataclass
class ProLIPOptions(PublishedOptions):
    """Options of ProLIP."""

    weight: float = option(1.0, "lambda times the number of shots")
    lr: float = option(0.001, "learning rate of Adam's first step", key="HEAD_LR")
    steps: int = option(30, "optimiser steps, each over all images and views of the task")


@dataclass(frozen=True)
class Projected:
    """A task's projection and text.

    Attributes:
        weight: (D', D) W.
        bias: (D,) b.
        text: (C, D) t, times the scale of the logits.
    """

    weight: Tensor
    bias: Tensor
    text: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """(B, D') -> (B, C)."""
        return F.normalize(features @ self.weight + self.bias, dim=1) @ self.text.t()


class ProLIP(Head[Projected]):
    """A projection of image features for each task.

    Attributes:
        weight: (T, D', D).
    """

    Options = ProLIPOptions
    closed_form = False
    several_labels = True
    unprojected = True

    options: ProLIPOptions
    weight: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: ProLIPOptions) -> None:
        super().__init__(clip, tasks, options)
        start = clip.projection.weight.float()
        self.register_fitted("weight", start.expand(len(tasks), -1, -1).clone())

    def rows(self, name: str) -> str:  # noqa: ARG002 - there is one
        """A projection is a task's."""
        return "task"

    def image_features(self, features: Tensor) -> Tensor:
        """(B, D') as they are: they are normalised behind the projection."""
        return features

    def fitted(self, task: int) -> Projected:
        """What classifies a task's images."""
        text = self.clip.logit_scale.exp() * self.text[self.tasks.columns(task)]
        return Projected(self.weight[task], self.clip.projection.bias.float(), text)

    def own_classifier(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Logits of an image's own task only: every other costs a projection."""

        def classify(features: Tensor, owners: Tensor) -> Tensor:
            logits = features.new_full((len(features), self.tasks.num_classes), -torch.inf)
            for task in torch.unique(owners).tolist():
                mine = (owners == task).to(features.device)
                logits[mine, self.tasks.columns(task)] = self.fitted(task)(features[mine])
            return logits

        return classify

    def solver(self, shots: Shots) -> Callable[[Settings], Projected]:
        """The minimisation."""
        layer = self.clip.projection
        start, bias = layer.weight.float(), layer.bias.float()
        ridge = self.options.weight / shots.shots

        def solve(_: Settings) -> Projected:
            weight = start.clone()
            fitted = Projected(weight, bias, shots.scale * shots.text)

            def loss(samples: Tensor, targets: Tensor) -> Tensor:
                held = ridge * (weight - start).square().sum()
                return cross_entropy(fitted(samples), targets) + held

            minimise(loss, shots, [weight], self.options.choose(PUBLISHED))
            return fitted

        return solve

    @torch.no_grad()
    def keep(self, fitted: Mapping[int, Projected]) -> None:
        """Set the tasks' projections."""
        for task, projected in fitted.items():
            self.weight[task] = projected.weight.to(self.weight)
