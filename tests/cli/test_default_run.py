"""`python train.py --trainer SoftCPT` alone: the embedded benchmark and model."""

from __future__ import annotations

import json

from softcpt.cli import train


def test_softcpt_on_the_embedded_benchmark_beats_zero_shot(tmp_path):
    train.main(
        [
            "--trainer",
            "SoftCPT",
            "--output-dir",
            str(tmp_path),
            "OPTIM.MAX_EPOCH",
            "4",
            "FEATURES.VIEWS",
            "1",
        ]
    )
    result = json.loads((tmp_path / "results.json").read_text())
    assert len(result["tasks"]["SoftCPT"]) == 44
    assert sum(task["total"] for task in result["tasks"]["SoftCPT"]) == 1374
    reached = {method: figures["overall_metric"] for method, figures in result["overall"].items()}
    assert 30 < reached["ZeroShot"] < 75
    assert reached["SoftCPT"] > reached["ZeroShot"]


def test_zero_shot_needs_nothing_but_the_command(tmp_path, capsys):
    train.main(["--trainer", "ZeroshotCLIP", "--output-dir", str(tmp_path)])
    assert "MEAN OVER TASKS" in capsys.readouterr().out
    assert json.loads((tmp_path / "results.json").read_text())["trainable_parameters"] == 0
