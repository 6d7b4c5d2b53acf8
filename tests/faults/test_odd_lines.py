"""Command lines that make no sense: one line, a status that is not 0, and nothing on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_line_that_makes_no_sense_is_one_line_and_leaves_nothing():
    # A process of its own: what it forks must not hold another test's threads.
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.odd_lines"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
