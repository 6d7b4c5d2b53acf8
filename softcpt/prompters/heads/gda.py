"""GDA: Gaussian discriminant analysis beside zero-shot CLIP (Wang et al., ICLR 2024, arXiv
2402.04087).

    logit of c = tau f . t_c + alpha (f' P m_c - m_c' P m_c / 2)
    P = D ((N - 1) S + tr(S) I)^-1

m_c is the mean of f over the N training samples (every view is one) of c, S their covariance within
classes. alpha is chosen on validation images in the paper (``search`` here); fixed, it is 0.02 K^2
for K shots, chosen on Emoji-44's validation images once for all. One view of one shot leaves no
covariance: then it is a sphere; the published code's pseudo-inverse is zero there, and leaves
zero-shot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from softcpt.prompters.classifier import option
from softcpt.prompters.heads.head import SearchOptions, Settings
from softcpt.prompters.heads.linear_head import Linear, LinearHead
from softcpt.prompters.heads.shots import Shots, covariance, ridged, solve


@dataclass
class GDAOptions(SearchOptions):
    """Options of GDA."""

    weight: float = option(
        0.02, "weight of the Gaussians beside zero-shot, for the square of the number of shots"
    )


class GDA(LinearHead):
    """W = tau t + alpha P m, b = -alpha m' P m / 2."""

    Options = GDAOptions
    grid = MappingProxyType({"alpha": (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0)})

    options: GDAOptions

    def settings(self, shots: Shots) -> Settings:
        """Alpha = 0.02 K^2."""
        return {"alpha": self.options.weight * shots.shots**2}

    def solver(self, shots: Shots) -> Callable[[Settings], Linear]:
        """The equation."""
        samples, width = shots.samples.shape
        within = covariance(shots.scatter, samples - 1, shots.spread)
        # tr(S) is D times its mean eigenvalue, which is the unit of the ridge
        rows = width * solve(ridged((samples - 1) * within, width / (samples - 1)), shots.means)
        offsets = -(rows * shots.means).sum(dim=1) / 2

        def linear(settings: Settings) -> Linear:
            alpha = settings["alpha"]
            return Linear(shots.scale * shots.text + alpha * rows, alpha * offsets)

        return linear
