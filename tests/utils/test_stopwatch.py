"""Sections are timed on the CPU by its clock; on a device see
tests/engine/on_emulated_precision.py."""

from __future__ import annotations

import torch

from softcpt.utils import stopwatch
from softcpt.utils.stopwatch import Stopwatch


def test_sections_and_the_rest_add_up_to_the_wall_time_before_and_after_a_stop(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    watch = Stopwatch()
    watch.follow(torch.device("cpu"))
    for name, seconds in (("text", 2), ("image", 3), ("text", 4)):
        with watch.section(name):
            now[0] += seconds
        now[0] += 0.5
    assert watch.seconds() == {"text": 6, "image": 3, "other": 1.5}
    now[0] = 7.0
    watch.restart({"text": 6, "image": 3, "other": 1.5})
    with watch.section("image"), watch.section("text"):
        now[0] += 1
    assert watch.seconds() == {"text": 6, "image": 4, "other": 1.5}
