"""The command train.py: what it prints and writes, exact continuation, and one clear line for
mistakes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from softcpt.artefacts import checkpoint
from softcpt.cli import train
from softcpt.utils.console import hide_bars
from tests.helpers.runs import (
    agree,
    close,
    identical,
    interrupted_before,
    prompt,
    recorded_logits,
    run,
)
from tests.helpers.toy import DATASET_REGISTRY, Datum, Toy, arguments

TESTS = Path(__file__).resolve().parents[1]
TRAINERS = ["ZeroshotCLIP", "CoOp", "SoftCPT"]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_run_ends_with_results_and_the_lines_that_parsers_read(tmp_path, trainer):
    result = run(tmp_path, trainer)
    method = "ZeroShot" if trainer == "ZeroshotCLIP" else trainer
    assert result["method"] == method
    assert {task["name"] for task in result["tasks"][method]} == {"flower", "land use"}
    assert {"image", "text", "other", "total"} <= result["seconds"].keys()
    assert result["peak_memory_bytes"] > 0
    log = (tmp_path / "out" / "log.txt").read_text()
    shown = float(re.findall(r"\* overall_metric: ([\d.]+)%", log)[-1])
    assert shown == pytest.approx(result["overall"][method]["overall_metric"], abs=0.01)
    assert re.search(r"\* accuracy: [\d.]+%", log) and "=> result" in log


@pytest.mark.parametrize("trainer", ["CoOp", "SoftCPT"])
def test_training_lowers_the_loss_and_beats_zero_shot(tmp_path, trainer):
    result = run(tmp_path, trainer, "OPTIM.MAX_EPOCH", "12")
    losses = [entry["loss"] for entry in result["curve"]]
    assert losses[-1] < 0.8 * losses[0]
    assert result["overall"][trainer]["accuracy"] > result["overall"]["ZeroShot"]["accuracy"]


@pytest.mark.parametrize("trainer", ["CoOp", "SoftCPT"])
def test_eval_only_repeats_the_test_of_the_run(tmp_path, trainer):
    with recorded_logits() as in_training:
        run(tmp_path, trainer, "TRAIN.CHECKPOINT_FREQ", "2")
    model = ("--eval-only", "--model-dir", str(tmp_path / "out"), "--load-epoch", "5")
    with recorded_logits() as alone:
        tested = run(tmp_path, trainer, *model, out="eval")
    assert agree(alone, in_training)
    log = (tmp_path / "eval" / "log.txt").read_text()
    assert f"* overall_metric: {tested['overall'][trainer]['overall_metric']:.2f}%" in log
    assert sorted(path.name for path in (tmp_path / "out" / "prompt").iterdir()) == [
        "epoch-2.safetensors",
        "epoch-4.safetensors",
        "epoch-5.safetensors",
    ]


def test_best_on_validation_is_kept_and_tested(tmp_path):
    run(tmp_path, "CoOp", "TEST.FINAL_MODEL", "best_val")
    assert (tmp_path / "out" / "prompt" / "best.safetensors").is_file()
    assert "testing on val" in (tmp_path / "out" / "log.txt").read_text()


def best_epoch(folder: Path) -> int:
    with safe_open(folder / "prompt" / "best.safetensors", framework="pt") as file:
        return json.loads(file.metadata()["softcpt"])["epoch"]


def test_results_say_which_epoch_was_chosen_on_what_and_so_does_a_later_test(tmp_path):
    result = run(tmp_path, "CoOp", "TEST.FINAL_MODEL", "best_val", "OPTIM.LR", "5.0")
    wanted = {"what": "epoch", "on": "val", "value": best_epoch(tmp_path / "out")}
    assert result["selected"] == wanted and result["shared"]["final_model"] == "best_val"
    test = ("--eval-only", "--model-dir", str(tmp_path / "out"))
    assert run(tmp_path, "CoOp", *test, out="best")["selected"] == wanted
    assert run(tmp_path, "CoOp", *test, "--load-epoch", "5", out="last")["selected"] is None
    assert run(tmp_path, "CoOp", out="without")["selected"] is None


class Unvalidated(Toy):
    """No validation images."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self._val = []


class ValidatedOnTest(Toy):
    """The test images for validation, as CoOp has it for ImageNet."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self._val = self._test


class ValidatedOnLinks(Toy):
    """Among the validation images one that is a link to a test image."""

    def __init__(self, cfg):
        super().__init__(cfg)
        link, tested = Path(cfg.DATASET.ROOT) / "linked.png", self._test[0]
        if not link.exists():
            link.symlink_to(tested.impath)
        self._val = [*self._val, Datum(str(link), tested.label, tested.domain, tested.classname)]


WITHOUT_VALIDATION = [
    (Unvalidated, "there are no validation images"),
    (ValidatedOnTest, "30 of 30 validation images are test images"),
    (ValidatedOnLinks, "1 of 11 validation images are test images"),
]
for kind, _ in WITHOUT_VALIDATION:
    DATASET_REGISTRY.register(kind)


@pytest.mark.parametrize("kind, why", WITHOUT_VALIDATION)
def test_no_epoch_is_chosen_on_test_images(tmp_path, capsys, kind, why):
    with recorded_logits() as tests_of_last:
        last = run(tmp_path, "CoOp", data=kind.__name__, out="last")
    flags = ("DATASET.NAME", kind.__name__, "TEST.FINAL_MODEL", "best_val")
    capsys.readouterr()
    with recorded_logits() as tests_of_best:
        best = run(tmp_path, "CoOp", *flags, out="best")
    line = (
        f"TEST.FINAL_MODEL best_val: {why}, so the last step counts: no epoch is chosen on test "
        "images"
    )
    assert (
        capsys.readouterr().out.count(line) == 1
        and line in (tmp_path / "best" / "log.txt").read_text()
    )
    assert best["selected"] is None and best["shared"] == last["shared"]
    assert agree(tests_of_best, tests_of_last)
    assert [path.name for path in (tmp_path / "best" / "prompt").iterdir()] == [
        "epoch-5.safetensors"
    ]
    assert (tmp_path / "best" / "log.txt").read_text().count("testing on") == 1
    again = run(tmp_path, "CoOp", *flags, out="best")
    assert again["overall"] == best["overall"] and "FINAL_MODEL: best_val" in again["config"]


def test_a_run_that_an_older_version_chose_on_test_images_is_not_continued(tmp_path, capsys):
    flags = ("DATASET.NAME", "Unvalidated", "TEST.FINAL_MODEL", "best_val")
    run(tmp_path, "CoOp", *flags)
    tensors, header = checkpoint.load_tensors(tmp_path / "out" / checkpoint.RESUME_FILE)
    checkpoint.save_tensors(
        tmp_path / "out" / checkpoint.RESUME_FILE, tensors, header | {"best": 66.67}
    )
    with pytest.raises(SystemExit):
        run(tmp_path, "CoOp", *flags)
    assert "chose its epoch on test images; choose another --output-dir" in capsys.readouterr().err


def test_an_unknown_final_model_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "CoOp", "TEST.FINAL_MODEL", "best")
    assert "TEST.FINAL_MODEL is 'best': choose last_step or best_val" in capsys.readouterr().err


def test_online_images_and_the_feature_bank_train_the_same_prompt(tmp_path):
    run(tmp_path, "CoOp", out="bank")
    run(tmp_path, "CoOp", "FEATURES.MODE", "online", out="online")
    bank, online = prompt(tmp_path / "bank"), prompt(tmp_path / "online")
    assert close(bank, online, atol=1e-5)


def test_a_run_stopped_between_epochs_continues_bit_for_bit(tmp_path):
    run(tmp_path, "SoftCPT", "OPTIM.NAME", "adam", out="whole")
    with interrupted_before(3):
        run(tmp_path, "SoftCPT", "OPTIM.NAME", "adam", out="stopped")
    result = run(tmp_path, "SoftCPT", "OPTIM.NAME", "adam", out="stopped")
    assert [entry["epoch"] for entry in result["curve"]] == [1, 2, 3, 4, 5]
    assert identical(prompt(tmp_path / "whole"), prompt(tmp_path / "stopped"))


@pytest.mark.parametrize("threads", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_run_killed_again_and_again_ends_with_the_same_weights(tmp_path, threads):
    command = [sys.executable, str(TESTS / "helpers" / "killed_runs.py"), str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": threads, "PYTHONPATH": str(TESTS.parent)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("resuming") == 4
    assert identical(prompt(tmp_path / "whole"), prompt(tmp_path / "killed"))


def test_a_finished_run_started_again_only_tests(tmp_path):
    first = run(tmp_path, "CoOp")
    again = run(tmp_path, "CoOp")
    assert again["curve"] == first["curve"]
    assert again["overall"] == first["overall"]


MISTAKES = {
    "misspelt key": (["OPTIM.LRR", "0.1"], "did you mean 'OPTIM.LR'"),
    "wrong type": (["OPTIM.MAX_EPOCH", "many"], "type int"),
    "no value": (["OPTIM.LR"], "has no value"),
    "no such weights": (["MODEL.BACKBONE.NAME", "nowhere.pt"], "nowhere.pt"),
    "unknown option value": (
        ["TRAINER.COOP.CLASS_TOKEN_POSITION", "back"],
        "choose from end, middle, front",
    ),
    "wrong image size": (["INPUT.SIZE", "(224, 224)"], "INPUT.SIZE"),
    "images as they are": (["INPUT.NO_TRANSFORM", "True"], "leave it at False"),
    "a momentum below 0": (
        ["OPTIM.NAME", "sgd", "OPTIM.MOMENTUM", "-7"],
        "OPTIM: sgd with cosine: Invalid momentum value: -7.0; change that setting",
    ),
    "beta of 2": (["OPTIM.NAME", "adamw", "OPTIM.ADAM_BETA1", "2"], "OPTIM: adamw with cosine"),
    "a text that is not in UTF-8": (
        ["TRAINER.COOP.CTX_INIT", "ros\udce9"],
        r"TRAINER.COOP.CTX_INIT is 'ros\udce9': write it in UTF-8",
    ),
    "unknown data set": (["DATASET.NAME", "Caltech102"], "Caltech102"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_with_one_line(tmp_path, capsys, mistake):
    pairs, message = MISTAKES[mistake]
    with pytest.raises(SystemExit) as end:
        run(tmp_path, "CoOp", *pairs)
    assert end.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and message in error


def test_a_folder_that_is_not_in_utf8_is_refused_before_the_run(tmp_path, capsys):
    given = arguments(tmp_path, "CoOp")
    with pytest.raises(SystemExit) as end:
        train.main(["--output-dir", f"{tmp_path}/ros\udce9", *given])
    assert end.value.code == 2
    assert "OUTPUT_DIR is " in capsys.readouterr().err
    assert not list(tmp_path.glob("ros*"))


def test_an_unknown_trainer_names_the_nearest(tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main(arguments(tmp_path, "SoftCTP"))
    assert "did you mean 'SoftCPT'?" in capsys.readouterr().err


def test_a_misspelt_key_in_a_yaml_names_file_and_key(tmp_path, capsys):
    given = arguments(tmp_path, "CoOp")
    (tmp_path / "toy.yaml").write_text("OPTIM: {LRR: 0.1}")
    with pytest.raises(SystemExit):
        train.main(given)
    assert (
        f"{tmp_path / 'toy.yaml'}: unknown key 'OPTIM.LRR'; did you mean 'OPTIM.LR'?"
        in capsys.readouterr().err
    )


def test_a_data_root_that_does_not_exist_is_named(tmp_path, capsys):
    given = arguments(tmp_path, "CoOp")
    given[given.index("--root") + 1] = str(tmp_path / "nowhere")
    with pytest.raises(SystemExit) as end:
        train.main(given)
    assert end.value.code == 2
    assert str(tmp_path / "nowhere") in capsys.readouterr().err


def test_other_settings_in_the_same_folder_are_refused(tmp_path, capsys):
    run(tmp_path, "CoOp")
    with pytest.raises(SystemExit):
        run(tmp_path, "CoOp", "OPTIM.LR", "0.5")
    assert "OPTIM.LR: 0.5, not 0.02" in capsys.readouterr().err


def test_a_truncated_weights_file_is_named(tmp_path, capsys):
    (tmp_path / "cut.npz").write_bytes(
        (TESTS / "golden" / "clip_weights.npz").read_bytes()[:100_000]
    )
    with pytest.raises(SystemExit):
        run(tmp_path, "CoOp", "MODEL.BACKBONE.NAME", str(tmp_path / "cut.npz"))
    assert "cut.npz" in capsys.readouterr().err


def test_seed_zero_is_a_seed(tmp_path):
    run(tmp_path, "CoOp", "--seed", "0")
    assert "SEED: 0" in json.loads((tmp_path / "out" / "results.json").read_text())["config"]


def test_every_log_names_device_weights_prompts_and_classes(tmp_path, capsys):
    run(tmp_path, "ZeroshotCLIP")
    log = (tmp_path / "out/log.txt").read_text()
    assert re.search(r"^device: .+$", log, re.MULTILINE)
    assert re.search(r"^backbone: .*clip_weights.*, weights [0-9a-f]{12}$", log, re.MULTILINE)
    assert "templates: 'a photo of a {}.'" in log
    assert "task 'flower', 3 classes: 'a photo of a rose.'" in log
    assert "2 task(s), 5 classes" in log


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU there is nothing to say")
def test_fp16_is_spoken_of_only_where_it_was_asked_for(tmp_path, capsys):
    run(tmp_path, "ZeroshotCLIP")
    assert "fp16 needs" not in capsys.readouterr().out
    run(tmp_path, "ZeroshotCLIP", "TRAINER.ZEROSHOT.PREC", "fp16", out="asked")
    assert "fp16 needs a GPU" in capsys.readouterr().out


def test_a_run_that_never_began_leaves_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    for out in ("a/b/c", "kept/c"):
        with pytest.raises(SystemExit):
            train.main(
                ["--trainer", "CoOp", "--output-dir", out, "--images", str(tmp_path / "kept")]
            )
        assert "no images in" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert not list((tmp_path / "kept").iterdir())


@pytest.mark.parametrize("terminal", [True, False])
def test_bars_are_drawn_on_terminals_alone(monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("TQDM_DISABLE", "")
    monkeypatch.delenv("TQDM_DISABLE")
    hide_bars()
    assert ("TQDM_DISABLE" in os.environ) is not terminal


def test_a_test_image_that_cannot_be_read_is_found_before_training(tmp_path, capsys):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "pets" / part / name
            folder.mkdir(parents=True)
            Image.new("RGB", (16, 16)).save(folder / "a.png")
    (folder / "a.png").write_bytes(b"no image")
    words = ["--trainer", "CoOp", "--images", str(tmp_path / "pets"), "--output-dir"]
    with pytest.raises(SystemExit):
        train.main([*words, str(tmp_path / "out"), "OPTIM.MAX_EPOCH", "1"])
    printed = capsys.readouterr()
    assert "dog/a.png: is no image that Pillow knows" in printed.err
    assert "pets: 2 classes; train 2, val 0, test 2 images" in printed.out
    assert "epoch [1/1]" not in printed.out


def test_an_unknown_flag_is_one_line(capsys):
    with pytest.raises(SystemExit) as end:
        train.main(["--trainer", "CoOp", "--epochs", "3"])
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.count("\n") == 1
    assert "unrecognized arguments: --epochs; --help lists the flags" in error
