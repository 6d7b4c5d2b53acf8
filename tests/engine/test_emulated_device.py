"""Runs the tests on an emulated device (on_emulated_*.py beside this) in a process of their own:
torch has to know of the device before its first backward pass."""

from __future__ import annotations

import pytest

from tests.helpers.own_process import run_module

TESTS = [f"tests/engine/on_emulated_{part}.py" for part in ("device", "methods", "precision")]


@pytest.mark.parametrize(
    "which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)], ids=["quick", "slow"]
)
def test_on_a_device_that_is_emulated(which):
    ended = run_module("pytest", "-q", "-p", "no:cacheprovider", "-m", which, *TESTS)
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert " passed" in ended.stdout
