"""Tests see the checkout's modules, few threads and a cache of their own; the CLIPs that many of
them share."""

from __future__ import annotations

import os

# Test workers share the cores; a pool of spinning threads each would take turns instead. Set before
# torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import HealthCheck, settings

import softcpt
from softcpt.testing.random_clip import random_openai_state_dict
from softcpt.text.encoder import TextEncoder
from softcpt.text.tower import TextTower
from softcpt.utils.console import show_messages
from tests.helpers.toy import WEIGHTS

show_messages()  # as every command does

# No test may fail because a machine is slow; what is tried is the same in every run.
settings.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


def pytest_addoption(parser):
    parser.addoption(
        "--nothing-skipped", action="store_true", help="a skipped test is a failure (make test-all)"
    )


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a process of xdist, which reports to another
        return
    if session.config.getoption("--nothing-skipped") and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    """With a test left out, say where it runs."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    if skipped and not config.getoption("--nothing-skipped"):
        terminalreporter.write_line(f"{skipped} skipped here run in `make test-all`")
    elif skipped:
        terminalreporter.write_line(f"{skipped} skipped: --nothing-skipped counts that a failure")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Nothing of the user's cache is read or written, and all tests share what one of them
    unpacked."""
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def small_clip() -> softcpt.Clip:
    return softcpt.load_clip(random_openai_state_dict("vit", text_layers=3, seed=3))


@pytest.fixture(scope="session")
def clip() -> softcpt.Clip:
    """A small random ViT CLIP in float32; nobody changes it."""
    return small_clip()


@pytest.fixture(scope="session")
def double_clip() -> softcpt.Clip:
    """The same whose image and text side compute in float64, for equations stated to many
    digits."""
    clip = small_clip().double()
    vars(clip)["text"] = TextEncoder(TextTower(clip.model, torch.float64))
    return clip


@pytest.fixture(scope="session")
def golden_clip() -> softcpt.Clip:
    """The random CLIP of tests/golden, on which the reference's numbers were made."""
    return softcpt.load_clip(WEIGHTS)
