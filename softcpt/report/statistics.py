"""Means, intervals, tests and ranks, of plain lists of percentages."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special  # not scipy.stats: its import alone would take a tenth of a report

LEVEL = 0.95


@dataclass(frozen=True)
class Summary:
    """Of ``n`` values: mean, population standard deviation (ddof 0, as the papers print), and the
    half-width of the 95 % Student-t interval of the mean (None for a single value)."""

    n: int
    mean: float
    std: float
    half_width: float | None


def summary(values: Sequence[float]) -> Summary | None:
    """None without values."""
    if not len(values):
        return None
    return Summary(len(values), float(np.mean(values)), float(np.std(values)), half_width(values))


def half_width(values: Sequence[float]) -> float | None:
    """Of the 95 % Student-t interval of the mean: t(0.975, n-1) s / sqrt(n), with s of ddof 1."""
    n = len(values)
    if n < 2:
        return None
    return float(special.stdtrit(n - 1, (1 + LEVEL) / 2) * np.std(values, ddof=1) / math.sqrt(n))


def harmonic_mean(base: float, new: float) -> float:
    """H of base and new accuracy (Zhou et al., CoCoOp, arXiv 2203.05557)."""
    return 2 * base * new / (base + new) if base + new > 0 else 0.0


@dataclass(frozen=True)
class Paired:
    """Paired differences a - b.

    Attributes:
        n, mean, half_width: pairs, mean difference, half-width of its 95 % Student-t interval (None
            for one pair).
        wins, ties, losses: pairs in which a is better, equal, worse.
        t_test, wilcoxon: two-sided p-values; None where there are too few pairs. Without any
            difference they are 1.
    """

    n: int
    mean: float
    half_width: float | None
    wins: int
    ties: int
    losses: int
    t_test: float | None
    wilcoxon: float | None


def paired(differences: Sequence[float]) -> Paired:
    """Statistics of differences between two methods on the same units."""
    values = np.asarray(differences, dtype=float)
    values[np.abs(values) < 1e-9] = 0.0
    n = len(values)
    return Paired(
        n,
        float(values.mean()),
        half_width(values),
        int((values > 0).sum()),
        int((values == 0).sum()),
        int((values < 0).sum()),
        t_test(values) if n > 1 else None,
        wilcoxon(values) if n > 1 else None,
    )


def t_test(differences: np.ndarray) -> float:
    """Two-sided p-value of "the mean difference is 0"."""
    deviation = float(np.std(differences, ddof=1))
    if deviation == 0.0:
        return 0.0 if differences.any() else 1.0
    n = len(differences)
    return float(2 * special.stdtr(n - 1, -abs(differences.mean()) / deviation * math.sqrt(n)))


def wilcoxon(differences: np.ndarray) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test.

    Exact up to 50 units without ties and zeros, else by the normal approximation with correction
    for ties; ranks of zeros are shared between the signs (Demsar, JMLR 2006). scipy.stats.wilcoxon
    gives the same; a report needs thousands of these, and which approximation it takes depends on
    its release.
    """
    n = len(differences)
    size, ranks, counts = _ranks(np.abs(differences).round(9))
    plus = float(ranks[differences > 0].sum() + ranks[differences == 0].sum() / 2)
    if n <= 50 and len(counts) == n and size[0] > 0:
        ways = _rank_sums(n)
        return float(min(1.0, 2 * ways[: int(min(plus, n * (n + 1) // 2 - plus)) + 1].sum()))
    variance = n * (n + 1) * (2 * n + 1) / 24 - float((counts**3 - counts).sum()) / 48
    return float(2 * special.ndtr(-abs(plus - n * (n + 1) / 4) / math.sqrt(variance)))


def _ranks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct values in order, the rank of every value (ties share theirs), and how often each
    distinct one occurs."""
    distinct, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return distinct, (np.cumsum(counts) - (counts - 1) / 2)[inverse], counts.astype(float)


@functools.cache
def _rank_sums(n: int) -> np.ndarray:
    """Probability of every sum of positive ranks when each of the ranks 1..n has either sign with
    equal chance."""
    ways = np.ones(1)
    for rank in range(1, n + 1):
        ways = np.concatenate([ways, np.zeros(rank)]) / 2
        ways[rank:] += ways[: len(ways) - rank].copy()
    return ways


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values of a family of tests (Holm, 1979), in the order given; None stays, and does
    not count."""
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, index) in enumerate(known):
        running = max(running, min(1.0, (len(known) - rank) * p))
        adjusted[index] = running
    return adjusted


def average_ranks(table: np.ndarray) -> tuple[np.ndarray, float | None]:
    """Mean rank of each column (1 is the highest value, ties share), and Friedman's p-value.

    Args:
        table: (units, methods) without gaps. The p-value needs three methods and two units; else it
            is None.
    """
    units, methods = table.shape
    found = [_ranks(row) for row in -np.round(table, 9)]
    ranks = np.array([row for _, row, _ in found])
    if units < 2 or methods < 3:
        return ranks.mean(axis=0), None
    ties = sum(float((counts**3 - counts).sum()) for _, _, counts in found)
    scale = units * methods * (methods + 1) - ties / (methods - 1)
    if scale <= 0:  # all share one rank in every unit
        return ranks.mean(axis=0), 1.0
    statistic = 12 * float(((ranks.sum(axis=0) - units * (methods + 1) / 2) ** 2).sum()) / scale
    return ranks.mean(axis=0), float(special.chdtrc(methods - 1, statistic))
