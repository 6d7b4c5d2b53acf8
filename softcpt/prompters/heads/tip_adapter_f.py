"""Tip-Adapter-F: Tip-Adapter's keys, trained (Zhang et al., ECCV 2022, arXiv 2111.03930).

    logit of c = tau f . t_c + alpha sum_m exp(-beta (1 - f . F_m)) L_mc,   F trained

F starts at Tip-Adapter's keys and is trained by cross-entropy over all views; alpha 1 and beta 5.5
stay. *Differs*: published are 20 epochs of AdamW at 1e-3 in batches of 256, each over a new view
(``published``); its code then takes the best epoch on test images and searches for alpha and beta.
Here full batches, the last step, and no search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from softcpt.prompters.classifier import option
from softcpt.prompters.heads.head import Settings
from softcpt.prompters.heads.kernel_head import KernelHead, Memory
from softcpt.prompters.heads.shots import Shots
from softcpt.prompters.heads.tip_adapter import cache
from softcpt.prompters.heads.training import PublishedOptions, Recipe, cross_entropy, minimise

PUBLISHED = Recipe(
    "adamw", lr=0.001, epochs=20, batch=256, in_turn=True, weight_decay=0.01, eps=1e-4
)


@dataclass
class TipAdapterFOptions(PublishedOptions):
    """Options of Tip-Adapter-F."""

    alpha: float = option(1.0, "weight of the cache beside zero-shot")
    beta: float = option(5.5, "sharpness: how fast a key's say falls with the distance")
    lr: float = option(0.001, "learning rate of Adam's first step", key="HEAD_LR")
    steps: int = option(100, "optimiser steps, each over all images and views of the task")


class TipAdapterF(KernelHead):
    """A cache of features that is trained."""

    Options = TipAdapterFOptions
    closed_form = False
    several_labels = True

    options: TipAdapterFOptions

    def solver(self, shots: Shots) -> Callable[[Settings], Memory]:
        """The minimisation."""

        def solve(_: Settings) -> Memory:
            start = cache(shots, self.options.alpha, self.options.beta)
            keys = start.keys.clone()
            memory = replace(start, keys=keys)

            def loss(samples: Tensor, targets: Tensor) -> Tensor:
                return cross_entropy(memory(samples), targets)

            minimise(loss, shots, [keys], self.options.choose(PUBLISHED))
            return memory

        return solve
