"""Tests see the checkout's modules, few threads and a cache of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Test workers share the cores; a pool of spinning threads each would take turns instead. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Nothing of the user's cache is read or written, and all tests share what one of them unpacked."""
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
