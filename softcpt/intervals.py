"""95 % intervals over the test images of a single run.

Light to import: the report reads files that say only how many images were right, and asks here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

LEVEL = 0.95
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)

Interval = tuple[float, float]


def wilson(correct: int, total: int) -> Interval:
    """Of the accuracy ``correct`` / ``total`` in percent: Wilson's score interval (Wilson, JASA
    1927).

    It is the set of accuracies p from which the observed one is at most 1.96 standard deviations
    sqrt(p (1 - p) / total) away, so it stays within 0 and 100 and has a width at 0 and 100 too.
    """
    share, spread = correct / total, _Z**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    # At the ends the interval begins or ends there exactly; rounding must not say otherwise.
    low = 0.0 if correct == 0 else middle - half
    high = 1.0 if correct == total else middle + half
    return 100 * low, 100 * high


def wilson_of_mean(counts: Sequence[tuple[int, int]]) -> Interval:
    """Of the mean of several tasks' accuracies in percent, of (correct, total) of each.

    The tasks' images are independent, so the distances from accuracies to the ends of their Wilson
    intervals add up as squares (MOVER: Zou and Donner, Statistics in Medicine 2008). For one task
    it is :func:`wilson`.
    """
    mean = below = above = 0.0
    for correct, total in counts:
        accuracy = 100 * correct / total
        low, high = wilson(correct, total)
        mean += accuracy / len(counts)
        below += (accuracy - low) ** 2
        above += (high - accuracy) ** 2
    return mean - math.sqrt(below) / len(counts), mean + math.sqrt(above) / len(counts)
