"""Commands on a disk that fails, and commands that are killed: one line, a status that is not 0,
nothing left over; and the same command once more is right."""

from __future__ import annotations

import pytest

from tests.faults.small_disk import can_mount
from tests.helpers.own_process import run_module

QUICK = ("get", "archive", "preview", "publish", "average", "predict")


def run_trials(*flags: str) -> None:
    ended = run_module("tests.faults", *flags)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ", 0 not right" in ended.stdout


def test_a_disk_that_fails_and_a_kill_lose_nothing():
    run_trials("--trials", "12", "--kills", "12", "--commands", *QUICK)


@pytest.mark.skipif(not can_mount(), reason="root alone mounts file systems")
def test_a_real_disk_that_is_too_small_loses_nothing():
    run_trials("--disks", "8", "--seed", "5", "--commands", "get", "preview", "publish", "average")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--kills", "--trials"])
def test_every_command_survives(how):
    run_trials(how, "42", "--seed", "7")
