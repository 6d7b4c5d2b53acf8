"""--eval-only: what a test of a trained prompt leaves behind, and what it must not touch."""

from __future__ import annotations

import json

import pytest
import torch

from softcpt.artefacts.checkpoint import save_tensors
from softcpt.cli import train
from softcpt.engine import run_flags
from softcpt.errors import UserError
from tests.helpers.runs import agree, recorded_logits, run
from tests.helpers.toy import arguments


def setup(*words: str):
    return run_flags.setup_config(run_flags.parser().parse_args(words))


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


def evaluate(tmp_path, *more: str, out: str) -> dict:
    """Test the prompt in the folder "run", with nothing else said."""
    words = ["--eval-only", "--model-dir", str(tmp_path / "run"), *more]
    train.main([*words, "--output-dir", str(tmp_path / out)])
    return json.loads((tmp_path / out / "results.json").read_text())


@pytest.mark.parametrize(
    ("trainer", "options"),
    [
        ("CoOp", ("TRAINER.COOP.N_CTX", "3", "TRAINER.COOP.CLASS_TOKEN_POSITION", "middle")),
        ("SoftCPT", ("TRAINER.SOFTCPT.TASK_CSC", "True", "TRAINER.SOFTCPT.N_CTX", "4")),
        ("MVLPT", ("TRAINER.MVLPT.COOP.N_CTX", "4")),
    ],
)
def test_method_options_model_and_data_are_those_of_the_run(tmp_path, trainer, options):
    with recorded_logits() as in_training:
        trained = run(tmp_path, trainer, *options, out="run")
    for out, lost in (("whole", ()), ("results", ("resume.safetensors",))):
        for name in lost:
            (tmp_path / "run" / name).unlink()
        with recorded_logits() as alone:
            tested = evaluate(tmp_path, out=out)
        assert agree(alone, in_training)
        assert (tested["method"], tested["shared"]) == (trained["method"], trained["shared"])


def test_the_prompt_alone_knows_method_and_options(tmp_path):
    run(tmp_path, "CoOp", "TRAINER.COOP.N_CTX", "3", out="run")
    for name in ("resume.safetensors", "results.json"):
        (tmp_path / "run" / name).unlink()
    words = arguments(tmp_path, "CoOp")[2:]
    cfg = setup("--eval-only", "--model-dir", str(tmp_path / "run"), *words)
    assert (cfg.TRAINER.NAME, cfg.TRAINER.COOP.N_CTX) == ("CoOp", 3)


HEADER = {
    "backbone": "tiny",
    "fingerprint": "0a1b",
    "tasks": ["pets"],
    "classes": [["cat", "dog"]],
    "epoch": 1,
    "val_result": None,
}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--trainer", "SoftCPT"), "--trainer SoftCPT: the run in .*run is of CoOp; leave"),
        (("TRAINER.COOP.N_CTX", "4"), "TRAINER.COOP.N_CTX is 4: the run in .* trained with 16;"),
        (("--trainer", "MTCoOpHard", "TRAINER.MTCOOPH.TSC", "False"), "PER_TASK is False: the run"),
    ],
)
def test_what_contradicts_the_run_is_refused(tmp_path, given, message):
    file = tmp_path / "run" / "prompt" / "epoch-1.safetensors"
    options = {"n_ctx": 16, "position": "end", "per_task": True}
    header = HEADER | {"method": "CoOp", "options": options}
    save_tensors(file, {"prompt_learner.ctx": torch.zeros(1)}, header)
    with pytest.raises(UserError, match=message):
        setup("--eval-only", "--model-dir", str(tmp_path / "run"), *given)
    setup("--eval-only", "--model-dir", str(tmp_path / "run"), "TRAINER.COOP.PREC", "fp32")


def test_a_test_lies_beside_others_of_its_run(tmp_path):
    folder = tmp_path / "CoOp" / "rn50_ep50_4shots-0a1b2c" / "seed1"
    header = HEADER | {"method": "CoOp", "options": {}}
    save_tensors(folder / "prompt/epoch-1.safetensors", {"x": torch.zeros(1)}, header)
    cfg = setup("--eval-only", "--model-dir", str(folder))
    assert cfg.OUTPUT_DIR == "output/evaluation/Emoji44/CoOp/rn50_ep50-0a1b2c_4shots/seed1"
