"""Runs the tests on an emulated device (tests/engine/on_emulated_device.py) in a process of their
own: torch has to know of the device before its first backward pass."""

from __future__ import annotations

from tests.helpers.own_process import run_module

TESTS = "tests/engine/on_emulated_device.py"


def test_on_a_device_that_is_emulated():
    ended = run_module("pytest", "-q", "-p", "no:cacheprovider", TESTS)
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert " passed" in ended.stdout
