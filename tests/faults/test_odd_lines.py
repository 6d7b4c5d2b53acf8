"""Command lines that make no sense: one line, a status that is not 0, and nothing on disk."""

from __future__ import annotations

import pytest

from tests.helpers.own_process import run_module

# Of all lines, those that are refused before a model is there.
QUICK = ("{nul}", "average", "data", "features", "report", "--plugins")


def test_odd_configurations_and_grids_are_one_line():
    ended = run_module("tests.faults.odd_files", "data set:", "grid:")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("module", ["odd_files", "odd_settings"])
def test_odd_files_and_settings_are_one_line(module):
    ended = run_module(f"tests.faults.{module}")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "words", [pytest.param((), marks=pytest.mark.slow, id="all"), pytest.param(QUICK, id="quick")]
)
def test_a_line_that_makes_no_sense_is_one_line_and_leaves_nothing(words):
    ended = run_module("tests.faults.odd_lines", *words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
