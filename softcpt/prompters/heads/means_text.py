"""Class means beside class names: the simplest head that has both. No paper is its own.

    logit of c = tau f . (t_c + alpha m_c / |m_c|)

t_c is the zero-shot embedding, m_c the mean of f over shots and views of c, tau = exp(logit_scale).
alpha = 0.8 K for K shots (chosen on Emoji-44's validation images once, for all shots and data), or
the best on validation images with ``search``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import torch.nn.functional as F

from softcpt.prompters.classifier import option
from softcpt.prompters.heads.head import SearchOptions, Settings
from softcpt.prompters.heads.linear_head import Linear, LinearHead
from softcpt.prompters.heads.shots import Shots


@dataclass
class MeansTextOptions(SearchOptions):
    """Options of class means with zero-shot."""

    weight: float = option(0.8, "weight of the class means beside the text, for each shot")


class MeansText(LinearHead):
    """w_c = t_c + alpha m_c / |m_c|."""

    Options = MeansTextOptions
    grid = MappingProxyType({"alpha": (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)})

    options: MeansTextOptions

    def settings(self, shots: Shots) -> Settings:
        """Alpha = 0.8 K."""
        return {"alpha": self.options.weight * shots.shots}

    def solver(self, shots: Shots) -> Callable[[Settings], Linear]:
        """The equation."""
        directions = F.normalize(shots.means, dim=1)

        def solve(settings: Settings) -> Linear:
            return Linear(shots.scale * (shots.text + settings["alpha"] * directions))

        return solve
