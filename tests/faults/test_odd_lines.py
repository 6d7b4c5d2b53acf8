"""Command lines that make no sense: one line, a status that is not 0, and nothing on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Of all lines, those that are refused before a model is there.
QUICK = ("{nul}", "average", "data", "features", "report", "--plugins")


@pytest.mark.parametrize(
    "words", [pytest.param((), marks=pytest.mark.slow, id="all"), pytest.param(QUICK, id="quick")]
)
def test_a_line_that_makes_no_sense_is_one_line_and_leaves_nothing(words):
    # A process of its own: what it forks must not hold another test's threads.
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.odd_lines", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
