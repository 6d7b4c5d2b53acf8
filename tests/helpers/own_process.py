"""Runs a module of the tests in a process of its own: what it forks, or registers with torch, must
not meet another test's threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_module(*words: str) -> subprocess.CompletedProcess[str]:
    """``python -m`` ``words``, with one thread, at the root of the project."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )
