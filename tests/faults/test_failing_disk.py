"""Commands on a disk that fails: one line, a status that is not 0, nothing left over; and the same
command goes through once the disk does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_trials(*flags: str) -> None:
    # A process of its own: what it forks must not hold another test's threads.
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults", *flags],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ", 0 not right" in ended.stdout


def test_a_disk_that_fails_is_one_line_and_the_next_try_is_right():
    run_trials("--trials", "12", "--commands", "export", "publish", "average")


@pytest.mark.slow
def test_training_and_reports_on_a_disk_that_fails():
    run_trials("--trials", "40", "--seed", "7")
