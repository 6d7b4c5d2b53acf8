"""Tip-Adapter: a cache of training features beside zero-shot, nothing trained (Zhang et al., ECCV
2022, arXiv 2111.03930).

    logit of c = tau f . t_c + alpha sum_m exp(-beta (1 - f . F_m)) L_mc

F_m is the normalised mean of an image's views, L its class as one-hot. alpha 1 and beta 5.5 as in
the paper, or the best on validation images with ``search``. *Differs*: the published code takes the
mean of views in front of their normalisation; its search tries 4,000 pairs, for ImageNet on test
images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import torch.nn.functional as F

from softcpt.prompters.classifier import option
from softcpt.prompters.heads.head import SearchOptions, Settings
from softcpt.prompters.heads.kernel_head import KernelHead, Memory
from softcpt.prompters.heads.shots import Shots


@dataclass
class TipAdapterOptions(SearchOptions):
    """Options of Tip-Adapter."""

    alpha: float = option(1.0, "weight of the cache beside zero-shot")
    beta: float = option(5.5, "sharpness: how fast a key's say falls with the distance")


class TipAdapter(KernelHead):
    """A cache of features."""

    Options = TipAdapterOptions
    several_labels = True
    grid = MappingProxyType(
        {"alpha": (0.5, 1.0, 2.0, 3.0, 5.0, 10.0), "beta": (1.0, 2.0, 3.5, 5.5, 7.5, 10.0)}
    )

    options: TipAdapterOptions

    def settings(self, shots: Shots) -> Settings:  # noqa: ARG002 - for any number
        """Alpha and beta as they are given."""
        return {"alpha": self.options.alpha, "beta": self.options.beta}

    def solver(self, shots: Shots) -> Callable[[Settings], Memory]:
        """The cache, see :func:`cache`."""

        def solve(settings: Settings) -> Memory:
            return cache(shots, settings["alpha"], settings["beta"])

        return solve


def cache(shots: Shots, alpha: float, beta: float) -> Memory:
    """One key for each image: the normalised mean of its views."""
    keys = F.normalize(shots.features.mean(dim=1), dim=1)
    return Memory(keys, alpha * shots.targets, beta, shots.text, False, shots.scale)
