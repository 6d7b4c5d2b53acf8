"""--eval-only: what a test of a trained prompt leaves behind, and what it must not touch."""

from __future__ import annotations

import pytest

from softcpt.cli import train
from tests.helpers.runs import run
from tests.helpers.toy import arguments


def test_a_test_writes_results_that_say_it_was_not_training(tmp_path, capsys):
    trained = run(tmp_path, "CoOp", out="run")
    capsys.readouterr()
    tested = run(tmp_path, "CoOp", "--eval-only", "--model-dir", str(tmp_path / "run"), out="test")
    assert trained["trained"] and not tested["trained"]
    assert (
        tested["curve"] == []
        and tested["tasks"] == trained["tasks"]
        and tested["shared"] == trained["shared"]
    )
    assert tested["loaded"] == {
        "prompt": str(tmp_path / "run" / "prompt" / "epoch-5.safetensors"),
        "epoch": 5,
    }
    table = capsys.readouterr().out
    assert "trainable parameters" in table and "seconds, total" not in table


def test_several_splits_are_tested_and_the_last_counts(tmp_path):
    run(tmp_path, "CoOp", out="run")
    model = ["--eval-only", "--model-dir", str(tmp_path / "run")]
    both = run(tmp_path, "CoOp", *model, "TEST.SPLIT", "val,test", out="both")
    val = run(tmp_path, "CoOp", *model, "TEST.SPLIT", "val", out="val")
    test = run(tmp_path, "CoOp", *model, out="test")
    assert both["shared"]["split"] == "test" and val["shared"]["split"] == "val"
    assert both["tasks"] == test["tasks"] and test["other_splits"] == {}
    assert both["other_splits"] == {"val": {"overall": val["overall"], "tasks": val["tasks"]}}
    assert [task["total"] for task in val["tasks"]["CoOp"]] == [6, 4]


def test_results_of_a_training_run_are_not_written_over(tmp_path, capsys):
    run(tmp_path, "CoOp", out="run")
    before = (tmp_path / "run" / "results.json").read_text()
    with pytest.raises(SystemExit):
        run(tmp_path, "CoOp", "--eval-only", "--model-dir", str(tmp_path / "run"), out="run")
    assert "choose another --output-dir" in capsys.readouterr().err
    assert (tmp_path / "run" / "results.json").read_text() == before


def test_without_an_output_folder_tests_go_beside_the_runs_not_into_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train.main(arguments(tmp_path, "ZeroshotCLIP"))
    train.main(arguments(tmp_path, "ZeroshotCLIP", "--eval-only"))
    found = {
        str(path.parent.relative_to(tmp_path))
        for path in (tmp_path / "output").rglob("results.json")
    }
    below = "Toy/ZeroshotCLIP/toy_-1shots/seed1"
    assert found == {f"output/{below}", f"output/evaluation/{below}"}


@pytest.mark.parametrize("trainer", ["ZeroshotCLIP", "ZeroshotCLIP2"])
def test_what_has_nothing_to_load_needs_no_model(tmp_path, trainer):
    result = run(tmp_path, trainer, "--eval-only", out="test")
    assert result["loaded"] is None and not result["trained"] and "ZeroShot" in result["overall"]


def test_what_is_trained_needs_one(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "LinearProbe", "--eval-only", out="test")
    assert "it needs --model-dir" in capsys.readouterr().err


def test_a_split_that_does_not_exist_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "ZeroshotCLIP", "TEST.SPLIT", "validation", out="test")
    assert "TEST.SPLIT is 'validation': choose test, val" in capsys.readouterr().err
