"""`python train.py --trainer SoftCPT` alone: the embedded benchmark and model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from softcpt.cli import train
from tests.helpers.runs import results

FOUR_TASKS = ("DATASET.SUBSAMPLE_TASKS", "task0,task11,task22,task33")


def run_alone(folder: Path, trainer: str, *pairs: str) -> dict[str, Any]:
    """train.py with no data, model or configuration; returns results.json."""
    train.main(["--trainer", trainer, "--output-dir", str(folder), *pairs])
    return results(folder)


def test_the_command_alone_learns_four_tasks_of_the_embedded_benchmark(tmp_path):
    short = ("OPTIM.MAX_EPOCH", "20", "FEATURES.VIEWS", "1")
    result = run_alone(tmp_path, "SoftCPT", *FOUR_TASKS, *short)
    assert len(result["tasks"]["SoftCPT"]) == 4
    assert result["curve"][-1]["loss"] < 0.8 * result["curve"][0]["loss"]


@pytest.mark.slow
def test_softcpt_on_the_embedded_benchmark_beats_zero_shot(tmp_path):
    short = ("OPTIM.MAX_EPOCH", "20", "FEATURES.VIEWS", "1")
    result = run_alone(tmp_path, "SoftCPT", *short)
    assert len(result["tasks"]["SoftCPT"]) == 44
    assert sum(task["total"] for task in result["tasks"]["SoftCPT"]) == 1374
    reached = {method: figures["overall_metric"] for method, figures in result["overall"].items()}
    assert 30 < reached["ZeroShot"] < 75
    assert reached["SoftCPT"] > reached["ZeroShot"]  # by six points: no rounding makes up for that


def test_zero_shot_needs_nothing_but_the_command(tmp_path, capsys):
    result = run_alone(tmp_path, "ZeroshotCLIP", *FOUR_TASKS)
    assert "MEAN OVER TASKS" in capsys.readouterr().out
    assert result["trainable_parameters"] == 0
