"""Commands on a disk that fails, and commands that are killed: one line, a status that is not 0,
nothing left over; and the same command once more is right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUICK = ("get", "archive", "preview", "publish", "average", "predict")


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


def test_a_disk_that_fails_and_a_kill_lose_nothing():
    run_trials("--trials", "12", "--kills", "12", "--commands", *QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--kills", "--trials"])
def test_every_command_survives(how):
    run_trials(how, "42", "--seed", "7")
