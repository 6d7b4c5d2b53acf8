"""Tests see the checkout's modules, few threads and a cache of their own."""

from __future__ import annotations

import os

# Test workers share the cores; a pool of spinning threads each would take turns instead. Set before
# torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from softcpt.utils.console import show_messages

show_messages()  # as every command does


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Nothing of the user's cache is read or written, and all tests share what one of them
    unpacked."""
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
