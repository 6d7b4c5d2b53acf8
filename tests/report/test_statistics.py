"""Means, intervals, tests and ranks, against figures worked out by hand and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from softcpt.report.statistics import (
    average_ranks,
    half_width,
    harmonic_mean,
    holm,
    paired,
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


@given(st.lists(st.floats(0, 100), min_size=2, max_size=12))
def test_the_interval_is_scipys(values):
    if np.ptp(values) > 1e-6:
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        assert half_width(values) == pytest.approx((high - low) / 2)


def test_harmonic_mean_is_the_published_one():
    assert harmonic_mean(69.34, 74.22) == pytest.approx(
        71.70, abs=0.005
    )  # CLIP's average row in the CoCoOp paper
    assert harmonic_mean(0.0, 0.0) == 0.0


@given(DIFFERENCES)
def test_the_t_test_is_scipys(values):
    values = np.array(values)
    if np.ptp(values) > 0:
        assert t_test(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


@given(DIFFERENCES)
def test_wilcoxons_test_with_ties_and_zeros_is_scipys_normal_approximation(values):
    values = np.array([0.0, 1.0, -1.0, *values])
    assert wilcoxon(values) == pytest.approx(
        stats.wilcoxon(values, zero_method="zsplit", method="asymptotic").pvalue
    )


@pytest.mark.parametrize("n", [2, 5, 10, 33, 50])
def test_wilcoxons_test_of_few_distinct_differences_is_exact(n):
    values = np.random.default_rng(n).normal(0.2, 1, n)
    assert wilcoxon(values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)


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
    assert p == pytest.approx(stats.friedmanchisquare([70, 65], [60, 65], [50, 40]).pvalue)


def test_friedmans_test_needs_three_methods_and_two_units():
    assert average_ranks(np.array([[1.0, 2.0], [1.0, 3.0]]))[1] is None
    assert average_ranks(np.array([[1.0, 2.0, 3.0]]))[1] is None
    assert average_ranks(np.ones((4, 3)))[1] == 1.0
