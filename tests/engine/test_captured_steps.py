"""Runs the tests on an emulated device with graphs (tests/engine/on_emulated_graph.py and
on_emulated_supersets.py) in a process of their own: torch has to know of the device before its
first backward pass."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.engine.learner import Learner
from tests.helpers.own_process import run_module
from tests.helpers.toy import WEIGHTS

TESTS = ("tests/engine/on_emulated_graph.py", "tests/engine/on_emulated_supersets.py")


@pytest.mark.parametrize("which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_captured_steps_on_a_device_that_is_emulated(which):
    ended = run_module("pytest", "-q", "-p", "no:cacheprovider", "-m", which, *TESTS)
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert " passed" in ended.stdout


@pytest.mark.parametrize("graph", ["auto", "off"])
def test_on_a_cpu_there_is_nothing_to_capture_and_nothing_to_say(caplog, graph):
    caplog.set_level("INFO")
    clip = softcpt.load_clip(WEIGHTS)
    method = softcpt.build_prompter("CoOp", clip, softcpt.TaskSet([softcpt.Task("pets", ["cat"])]))
    learner = Learner(method, torch.optim.SGD(method.parameters(), lr=0.1), graph=graph)
    assert learner.captured is None and not [m for m in caplog.messages if "GRAPH" in m]
