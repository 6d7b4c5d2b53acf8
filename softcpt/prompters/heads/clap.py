"""CLAP: a linear probe on cosines held near the zero-shot classifier, class by class
(Silva-Rodriguez et al., CVPR 2024, arXiv 2312.12730).

    logit of c = tau f . w_c / |w_c|,   w_c starts at t_c
    minimise cross-entropy + 1/C sum_c lambda_c |w_c - t_c|^2
    lambda_c = mean over the samples of c of its zero-shot probability

What zero-shot knows is kept, what it does not know is free. The paper writes the sum over classes,
its code takes their mean, as here. *Differs* from the published training as ZS-LP does; there t has
length n, and the penalty n^2 times the weight that it has here.
"""

from __future__ import annotations

from torch import Tensor

from softcpt.prompters.heads.shots import TINY, Shots
from softcpt.prompters.heads.zs_lp import ZSLP


class CLAP(ZSLP):
    """ZS-LP with a penalty."""

    def penalty(self, weight: Tensor, shots: Shots) -> Tensor:
        """The mean over classes of lambda_c |w_c - t_c|^2."""
        return (confidence(shots) * (weight - shots.text).square().sum(dim=1)).mean()


def confidence(shots: Shots) -> Tensor:
    """(C,) lambda; 0 for a class without images."""
    probabilities = (shots.scale * shots.samples @ shots.text.t()).softmax(dim=1)
    weights = shots.sample_targets
    return (weights * probabilities).sum(dim=0) / weights.sum(dim=0).clamp(min=TINY)
