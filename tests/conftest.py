"""Tests see the checkout's modules, few threads and a cache of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Nothing of the user's cache is read or written, and all tests share what one of them unpacked."""
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
