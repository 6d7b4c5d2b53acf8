"""Means, intervals, tests and ranks of percentages, by scipy.stats.

scipy.stats is imported where it is used: its import takes longer than `softcpt report --help`.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
# Differences of percentages below this are rounding, not differences.
TOLERANCE = 1e-9
DIGITS = 9
# scipy enumerates all signs up to this many pairs by itself, too (method="auto").
EXACT_PAIRS = 50

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Of ``n`` values: mean, population standard deviation (ddof 0, as the papers print), and the
    half-width of the 95 % Student-t interval of the mean (None for a single value)."""

    n: int
    mean: float
    std: float
    half_width: float | None


def summary(values: Collection[float]) -> Summary | None:
    """None without values."""
    return describe(values) if len(values) else None


def describe(values: Collection[float]) -> Summary:
    """Of at least one value."""
    found = np.fromiter(values, np.float64, len(values))
    return Summary(len(found), float(np.mean(found)), float(np.std(found)), half_width(found))


def half_width(values: Sequence[float] | Floats) -> float | None:
    """Of the 95 % Student-t interval of the mean: t(0.975, n-1) s / sqrt(n), with s of ddof 1."""
    n = len(values)
    if n < 2:
        return None
    return float(_t_quantile(n - 1) * np.std(values, ddof=1) / math.sqrt(n))


@functools.cache  # a report asks for thousands of intervals, over a handful of numbers of seeds
def _t_quantile(degrees_of_freedom: int) -> float:
    from scipy import stats

    return float(stats.t.ppf((1 + LEVEL) / 2, degrees_of_freedom))


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
    return paired_tests([differences])[0]


def paired_tests(comparisons: Sequence[Sequence[float]]) -> list[Paired]:
    """Statistics of many comparisons, each of at least one difference, in the order given.

    Comparisons with equally many differences, which are most of a table, are tested in one call.
    """
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, differences in enumerate(comparisons):
        by_length[len(differences)].append(index)
    found: dict[int, Paired] = {}
    for indices in by_length.values():
        rows = np.array([comparisons[index] for index in indices], dtype=np.float64)
        found.update(zip(indices, _paired_rows(rows)))
    return [found[index] for index in range(len(comparisons))]


def _paired_rows(rows: Floats) -> list[Paired]:
    """Of differences (comparisons, n)."""
    rows = np.where(np.abs(rows) < TOLERANCE, 0.0, rows)
    n = rows.shape[1]
    tested = n > 1
    t_tests: list[float | None] = t_test(rows).tolist() if tested else [None] * len(rows)
    wilcoxons: list[float | None] = wilcoxon(rows).tolist() if tested else [None] * len(rows)
    found = []
    for row, t, w in zip(rows, t_tests, wilcoxons):
        wins, losses = int((row > 0).sum()), int((row < 0).sum())
        mean = float(row.mean())
        found.append(Paired(n, mean, half_width(row), wins, n - wins - losses, losses, t, w))
    return found


def t_test(differences: Floats) -> Floats:
    """Two-sided p-values (...) of "the mean difference is 0", over the last axis of (..., n)."""
    from scipy import stats

    constant = np.ptp(differences, axis=-1) < TOLERANCE  # of which scipy warns, and gives 0 / 0
    p = np.where(np.abs(differences).max(axis=-1) < TOLERANCE, 1.0, 0.0)
    if not constant.all():
        p[~constant] = stats.ttest_1samp(differences[~constant], 0.0, axis=-1).pvalue
    return p


def wilcoxon(differences: Floats) -> Floats:
    """Two-sided p-values (...) of Wilcoxon's signed-rank test, over the last axis of (..., n).

    Exact up to 50 units without ties and zeros, else by the normal approximation with correction
    for ties; ranks of zeros are shared between the signs (Demsar, JMLR 2006). The choice is made
    here because that of scipy's method="auto" depends on its release.
    """
    from scipy import stats

    differences = differences.round(DIGITS)
    sizes = np.sort(np.abs(differences), axis=-1)
    distinct = (sizes[..., 0] > 0) & (np.diff(sizes, axis=-1) > 0).all(axis=-1)
    exact = distinct & (differences.shape[-1] <= EXACT_PAIRS)
    p = np.empty(exact.shape)
    for rows, method in ((exact, "exact"), (~exact, "asymptotic")):
        if rows.any():
            p[rows] = stats.wilcoxon(
                differences[rows], zero_method="zsplit", method=method, axis=-1
            ).pvalue
    return p


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


def average_ranks(table: Floats) -> tuple[Floats, float | None]:
    """Mean rank of each column (1 is the highest value, ties share), and Friedman's p-value.

    Args:
        table: (units, methods) without gaps. The p-value needs three methods and two units; else it
            is None.
    """
    from scipy import stats

    units, methods = table.shape
    lower_is_better = -table.round(DIGITS)
    ranks = stats.rankdata(lower_is_better, axis=1)
    means: Floats = ranks.mean(axis=0)
    if units < 2 or methods < 3:
        return means, None
    if (ranks == ranks[:, :1]).all():  # all share one rank in every unit; scipy gives 0 / 0
        return means, 1.0
    return means, float(stats.friedmanchisquare(*lower_is_better.T).pvalue)
