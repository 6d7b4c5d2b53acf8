"""--eval-only: what a test of a trained prompt leaves behind, and what it must not touch."""

from __future__ import annotations

import pytest

from softcpt.cli import train
from tests.helpers.runs import agree, recorded_logits, run
from tests.helpers.toy import arguments


def test_a_test_writes_results_that_say_it_was_not_training(tmp_path, capsys):
    with recorded_logits() as in_training:
        trained = run(tmp_path, "CoOp", out="run")
    capsys.readouterr()
    model = ("--eval-only", "--model-dir", str(tmp_path / "run"))
    with recorded_logits() as alone:
        tested = run(tmp_path, "CoOp", *model, out="test")
    assert trained["trained"] and not tested["trained"]
    assert tested["curve"] == [] and tested["shared"] == trained["shared"]
    assert agree(alone, in_training)
    assert tested["loaded"] == {
        "prompt": str(tmp_path / "run" / "prompt" / "epoch-5.safetensors"),
        "epoch": 5,
    }
    table = capsys.readouterr().out
    assert "trainable parameters" in table and "seconds, total" not in table


def test_several_splits_are_tested_and_the_last_counts(tmp_path):
    run(tmp_path, "CoOp", out="run")
    model = ["--eval-only", "--model-dir", str(tmp_path / "run")]
    with recorded_logits() as of_both:
        both = run(tmp_path, "CoOp", *model, "TEST.SPLIT", "val,test", out="both")
    with recorded_logits() as of_val:
        val = run(tmp_path, "CoOp", *model, "TEST.SPLIT", "val", out="val")
    with recorded_logits() as of_test:
        test = run(tmp_path, "CoOp", *model, out="test")
    assert both["shared"]["split"] == "test" and val["shared"]["split"] == "val"
    trained_on_val, trained_on_test, *zero_shot = of_both
    assert agree(of_val, [trained_on_val, zero_shot[0]])
    assert agree(of_test, [trained_on_test, zero_shot[1]])
    assert list(both["other_splits"]) == ["val"] and test["other_splits"] == {}
    for tasks in (both["other_splits"]["val"]["tasks"], val["tasks"]):
        assert [task["total"] for task in tasks["CoOp"]] == [6, 4]
    assert [task["total"] for task in both["tasks"]["CoOp"]] == [18, 12]


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
