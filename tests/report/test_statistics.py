"""Means, intervals, tests and ranks, against figures by hand, by enumeration and by formula."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softcpt.report.statistics import (
    average_ranks,
    harmonic_mean,
    holm,
    paired,
    paired_tests,
    summary,
    t_test,
    wilcoxon,
)

DIFFERENCES = st.lists(st.floats(-5, 5).map(lambda value: round(value, 1)), min_size=2, max_size=70)


def test_mean_population_std_and_t_interval_of_three_seeds():
    # 60, 62, 67: mean 63; deviations -3, -1, 4; 26/3 = 8.667 -> 2.944; s = sqrt(13), t(.975, 2) =
    # 4.3027
    found = summary([60.0, 62.0, 67.0])
    assert (found.n, found.mean) == (3, 63.0)
    assert found.std == pytest.approx((26 / 3) ** 0.5)
    assert found.half_width == pytest.approx(4.302652729911275 * 13**0.5 / 3**0.5)


def test_one_value_has_no_interval_and_none_has_no_mean():
    assert summary([60.0]).half_width is None
    assert summary([60.0]).std == 0
    assert summary([]) is None


def test_harmonic_mean_is_the_published_one():
    assert harmonic_mean(69.34, 74.22) == pytest.approx(
        71.70, abs=0.005
    )  # CLIP's average row in the CoCoOp paper
    assert harmonic_mean(0.0, 0.0) == 0.0


def test_the_t_test_by_hand():
    # 1, 2, 3: mean 2, s 1, t = 2 sqrt(3); two degrees of freedom: p = 1 - t / sqrt(t^2 + 2)
    t = 2 * 3**0.5
    assert t_test(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 - t / (t**2 + 2) ** 0.5)


def test_the_t_test_of_one_and_the_same_difference_everywhere():
    rows = np.array([[0.3, 0.1 + 0.2, 0.3], [0.0, 0.0, 0.0], [-1.0, -1.0, -1.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert t_test(rows).tolist() == [0.0, 1.0, 0.0]


@given(DIFFERENCES)
def test_wilcoxons_test_with_ties_and_zeros_is_the_normal_approximation(values):
    values = np.array([0.0, 1.0, -1.0, *values])
    n, sizes = len(values), np.abs(values)
    ranks = np.array([(sizes < size).sum() + ((sizes == size).sum() + 1) / 2 for size in sizes])
    plus = ranks[values > 0].sum() + ranks[values == 0].sum() / 2
    ties = sum(count**3 - count for count in np.unique(sizes, return_counts=True)[1])
    variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    z = abs(plus - n * (n + 1) / 4) / variance**0.5
    assert wilcoxon(values) == pytest.approx(math.erfc(z / 2**0.5))


@pytest.mark.parametrize("n", [2, 5, 10, 12])
def test_wilcoxons_test_of_few_distinct_differences_counts_all_signs(n):
    values = np.random.default_rng(n).normal(0.2, 1, n)
    ranks = 1 + np.argsort(np.argsort(np.abs(values)))
    sums = [np.dot(ranks, signs) for signs in itertools.product((0, 1), repeat=n)]
    lower = min(ranks[values > 0].sum(), ranks[values < 0].sum())
    assert wilcoxon(values) == pytest.approx(min(1.0, 2 * np.mean(np.array(sums) <= lower)))


def test_comparisons_of_many_lengths_are_those_of_each_alone():
    generator = np.random.default_rng(0)
    rows = [generator.normal(size=n).round(1).tolist() for n in (3, 1, 60, 3, 20, 1, 60)]
    assert paired_tests(rows) == [paired(row) for row in rows]


def test_wilcoxons_test_of_five_wins_by_hand():
    assert (
        wilcoxon(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == 2 / 2**5
    )  # all signs equal: one of 32 ways, on two sides


def test_methods_that_never_differ_are_not_told_apart():
    found = paired([0.0, 0.0, 0.0])
    assert (found.t_test, found.wilcoxon, found.ties, found.mean) == (1.0, 1.0, 3, 0.0)


def test_a_single_pair_is_not_tested():
    found = paired([2.0])
    assert (found.n, found.mean, found.t_test, found.wilcoxon, found.half_width) == (
        1,
        2.0,
        None,
        None,
        None,
    )


def test_wins_ties_and_losses():
    found = paired([1.0, 0.0, -2.0, 3.0, 1e-12])
    assert (found.wins, found.ties, found.losses) == (2, 2, 1)


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04, never falling: .04 .06 .06 .06
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_holm_does_not_count_tests_that_were_not_made():
    assert holm([None, 0.02, None]) == [None, 0.02, None]


def test_average_ranks_share_ties():
    ranks, p = average_ranks(np.array([[70.0, 60.0, 50.0], [65.0, 65.0, 40.0]]))
    assert ranks.tolist() == [1.25, 1.75, 3.0]
    # Rank sums 2.5, 3.5, 6 around 4 have 6.5 of squares; chi-square 12 * 6.5 / (2 * 3 * 4 - 3), of
    # which 3 corrects for the tie; with two degrees of freedom p = exp(-chi-square / 2)
    assert p == pytest.approx(math.exp(-12 * 6.5 / (24 - 3) / 2))


def test_friedmans_test_needs_three_methods_and_two_units():
    assert average_ranks(np.array([[1.0, 2.0], [1.0, 3.0]]))[1] is None
    assert average_ranks(np.array([[1.0, 2.0, 3.0]]))[1] is None
    assert average_ranks(np.ones((4, 3)))[1] == 1.0
