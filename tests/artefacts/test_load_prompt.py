"""Artefacts: what is saved comes back and classifies as before; what is wrong with one is said in
one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

import softcpt
from softcpt.artefacts.artefact_files import CONFIG_FILE, FORMAT, PROMPT_FILE
from softcpt.cli import train
from softcpt.engine import run_flags
from softcpt.testing.random_clip import random_openai_state_dict
from softcpt.utils import files
from tests.helpers.runs import results, run
from tests.helpers.toy import WEIGHTS

TASKS = softcpt.TaskSet(
    [
        softcpt.Task("kinds of fruit", ["apple", "kiwi", "plum"], template="a {} to eat."),
        softcpt.Task(
            "road signs", ["stop", "yield"], "mean_per_class", description="signs by the road"
        ),
    ]
)


def trained(method: str, clip: softcpt.Clip, **options) -> softcpt.AdaptedClip:
    """A method with random tensors in the place of trained ones, or fitted to random images."""
    torch.manual_seed(1)
    prompter = softcpt.build_prompter(method, clip, TASKS, **options)
    if hasattr(prompter, "fit"):
        labels = torch.arange(TASKS.num_classes).repeat(2)
        features = prompter.encode_image(pictures(clip, len(labels)))
        prompter.fit(features, labels, features, labels)
    with torch.no_grad():
        for parameter in prompter.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return softcpt.AdaptedClip(prompter.eval(), method)


def pictures(clip: softcpt.Clip, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, clip.image_size, clip.image_size)


@pytest.fixture(scope="module")
def coop(golden_clip):
    return trained("CoOp", golden_clip, n_ctx=2)


@pytest.fixture
def artefact(coop, tmp_path):
    return coop.save(tmp_path / "artefact")


@pytest.mark.parametrize("method", softcpt.list_prompters())
def test_every_method_comes_back(clip, tmp_path, method):
    options = {"search": True} if method == "Tip-Adapter" else {}
    q = trained(method, clip, **options)
    again = softcpt.load_prompt(q.save(tmp_path / method), clip=clip)
    images = pictures(clip)
    with torch.no_grad():
        assert torch.allclose(again.method(images), q.method(images), atol=1e-4)
    assert list(again.tasks) == list(TASKS) and again.method_name == method
    assert again.method.options == q.method.options


def test_what_is_known_of_a_run_is_kept(tmp_path):
    result = run(tmp_path, "CoOp", "TRAINER.COOP.N_CTX", "2", out="run")
    q = softcpt.load_prompt(tmp_path / "run")
    record = q.record
    assert record.measured["test"]["overall"] == result["overall"]
    assert record.settings == result["shared"] and record.curve == result["curve"]
    assert record.data["images"] == {"train": 40, "val": 10, "test": 30}
    assert record.parameters == result["trainable_parameters"]
    assert q.clip.name == WEIGHTS.name  # found by its path
    card = (tmp_path / "run" / "artefact" / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front)["pipeline_tag"] == "zero-shot-image-classification"
    for task in result["tasks"]["CoOp"]:
        assert f"{task['metric']:.2f}" in body and task["name"] in body


def test_a_run_that_leaves_no_artefact_is_not_done(tmp_path, monkeypatch):
    def killed(*_args) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("softcpt.engine.trainer.leave_artefact", killed)
    with pytest.raises(SystemExit):
        run(tmp_path, "CoOp", out="run")
    assert not (tmp_path / "run" / "results.json").exists()


def test_an_artefact_classifies_as_its_run_did(tmp_path):
    run(tmp_path, "CoOp", out="run")
    q = softcpt.load_prompt(tmp_path / "run")
    assert q.image_preprocessing.mean != q.clip.preprocessing.mean  # the run's settings count
    images = [
        Labelled(tmp_path / "data" / f"test-{label}-{number}.png", label, q.tasks)
        for label in range(5)
        for number in range(6)
    ]
    found, kept = q.evaluate(images, progress=False), results(tmp_path / "run")
    assert json.loads(json.dumps(found.to_dict()["tasks"])) == kept["tasks"]["CoOp"]
    assert found.overall["overall_metric"] == kept["overall"]["CoOp"]["overall_metric"]
    assert "MEAN OVER TASKS" in str(found)
    with pytest.raises(softcpt.UserError, match="is of class 4, 'Sea or Lake', which is not one"):
        q.with_classes("land use", ["Forest"]).evaluate(images)


class Labelled:
    """As softcpt.load_data gives them."""

    def __init__(self, path, label, tasks):
        self.path, self.labels, self.class_name = str(path), (label,), tasks.class_names[label]


def test_a_test_of_a_prompt_leaves_an_artefact_too(tmp_path):
    run(tmp_path, "SoftCPT", out="run")
    shutil.rmtree(tmp_path / "run" / "artefact")
    line = error(tmp_path / "run")
    assert "a run of an older version" in line and "--eval-only --model-dir" in line
    run(tmp_path, "SoftCPT", "--eval-only", "--model-dir", str(tmp_path / "run"), out="test")
    assert softcpt.load_prompt(tmp_path / "test").record.measured["test"]["overall"]["SoftCPT"]


def test_every_format_that_was_released_stays_readable():
    folders = sorted(Path(__file__).parent.glob("format*"))
    assert [folder.name for folder in folders] == [f"format{n + 1}" for n in range(FORMAT)]
    for folder in folders:
        q = softcpt.load_prompt(folder)
        size = q.clip.image_size
        image = torch.linspace(-2, 2, 3 * size * size).view(3, size, size)
        [found] = q.predict(image, task="all", top=9)
        expected = json.loads((folder / "expected.json").read_text())
        assert {f"{one.task}/{one.label}": one.probability for one in found} == pytest.approx(
            expected, abs=1e-5
        )
        assert q.record.data["shots"] == 1


# -- what is wrong ---------------------------------------------------------------------------------


def error(folder, **more) -> str:
    with pytest.raises(softcpt.UserError) as caught:
        softcpt.load_prompt(folder, **more)
    line = str(caught.value)
    assert "\n" not in line and ";" in line
    return line


def changed(artefact, **values):
    path = artefact / CONFIG_FILE
    config = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def test_another_backbone_is_refused(artefact, clip, tmp_path):
    line = error(artefact, clip=clip)
    assert "trained on clip_weights.npz with weights" in line and "state dict" in line


def test_a_backbone_is_found_by_its_file_or_its_place_is_said(artefact, coop, tmp_path):
    config = json.loads((artefact / CONFIG_FILE).read_text())
    assert softcpt.load_prompt(artefact).clip.fingerprint == coop.clip.fingerprint
    lost = config["backbone"] | {"file": "../gone/clip_weights.npz"}
    changed(artefact, backbone=lost)
    line = error(artefact)
    assert "clip_weights.npz is not on this machine" in line and "--backbone PATH" in line
    assert softcpt.load_prompt(artefact, clip=WEIGHTS).tasks.names == TASKS.names
    shutil.copy(WEIGHTS, artefact)  # beside the prompt, as in an archive of both
    assert softcpt.load_prompt(artefact).tasks.names == TASKS.names


@pytest.mark.parametrize("name", ["RN50", "ViT-B-32/laion2b_s34b_b79k"])
def test_nothing_is_downloaded(artefact, name, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    changed(artefact, backbone={"name": name, "weights": "0" * 64, "precision": "fp32"})
    with pytest.raises(softcpt.UserError, match="not on this machine.*load_clip.*gets them"):
        softcpt.load_prompt(artefact)


def test_weights_that_were_in_memory_must_be_given(tmp_path):
    state = random_openai_state_dict(seed=5)
    folder = trained("CoOp", softcpt.load_clip(state)).save(tmp_path / "a")
    assert "weights that were in memory only" in error(folder)
    assert softcpt.load_prompt(folder, clip=softcpt.load_clip(state)).method_name == "CoOp"


@pytest.mark.parametrize("name", [CONFIG_FILE, PROMPT_FILE])
def test_cut_files_are_found(artefact, name):
    whole = (artefact / name).read_bytes()
    for length in {0, 1, 7, len(whole) // 2, len(whole) - 2}:
        (artefact / name).write_bytes(whole[:length])
        assert name in error(artefact)
    (artefact / name).unlink()
    assert name in error(artefact)


def test_a_pointer_of_git_lfs_is_named(artefact):
    (artefact / PROMPT_FILE).write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    )
    assert "git lfs pull" in error(artefact)


def test_files_of_two_saves_are_not_mixed(artefact, coop, golden_clip, tmp_path):
    other = trained("CoOp", golden_clip, n_ctx=3).save(tmp_path / "other")
    shutil.copy(other / PROMPT_FILE, artefact)
    assert "of another save" in error(artefact)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 99}, "format 99, and this version of softcpt reads formats up to 1; update"),
        ({"format": None}, "not one of softcpt"),
        ({"format": True}, "not one of softcpt"),
        ({"method": "CoOb"}, "did you mean 'CoOp'"),
        ({"method": None}, "damaged .no method."),
        ({"tasks": {}}, "damaged .tasks is dict."),
        ({"tasks": [{"name": "x"}]}, "has no classes"),
        ({"tasks": []}, "no tasks"),
        ({"options": {"n_ctx": "many"}}, "n_ctx is 'many'"),
        ({"options": {"n_ctx": 2, "colour": 1}}, "unknown key 'colour'"),
        ({"options": {"n_ctx": 5}}, r"shape .2, .* and .5, .* is needed"),
        ({"preprocessing": {"size": 224}}, "images are 224 pixels wide"),
        ({"measured": 3}, "measured is int"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(artefact, golden_clip, values, message):
    changed(artefact, **values)
    line = error(artefact, clip=golden_clip)
    assert line.startswith(f"artefact {artefact}: ")
    with pytest.raises(softcpt.UserError, match=message):
        softcpt.load_prompt(artefact, clip=golden_clip)


def test_what_is_no_artefact_is_said(tmp_path):
    assert "no such folder" in error(tmp_path / "nothing")
    assert "has no config.json" in error(tmp_path)


def test_an_artefact_is_written_whole_or_not_at_all(coop, artefact, golden_clip, monkeypatch):
    (artefact / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in artefact.iterdir()}
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(softcpt.UserError, match="cannot be written .full."):
        trained("CoOp", golden_clip, n_ctx=3).save(artefact)
    assert {path.name: path.read_bytes() for path in artefact.iterdir()} == before


# -- train.py --eval-only --model-dir ARTEFACT -----------------------------------------------------


@pytest.mark.parametrize("trainer", ["CoOp", "ProtoNet", "VPT"])
def test_an_artefact_is_tested_by_train_py_too(tmp_path, trainer):
    trained = run(tmp_path, trainer, out="run")
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "run" / "artefact", moved)
    shutil.rmtree(tmp_path / "run")
    backbone = ("--backbone", str(WEIGHTS))  # the path in the artefact was that from "run"
    words = ["--eval-only", "--model-dir", str(moved), *backbone, "--output-dir"]
    train.main([*words, str(tmp_path / "test"), "--root", str(tmp_path / "data")])
    tested = results(tmp_path / "test")
    assert tested["tasks"] == trained["tasks"] and tested["method"] == trained["method"]
    assert tested["loaded"]["prompt"] == str(moved / PROMPT_FILE)
    # What is loaded once more from the artefact that the test left is the same.
    q, again = (softcpt.load_prompt(f, clip=WEIGHTS) for f in (moved, tmp_path / "test"))
    assert q.record.measured == again.record.measured
    assert q.method.state_dict().keys() == again.method.state_dict().keys()


def test_options_and_images_are_those_of_the_artefact(artefact):
    words = ("--eval-only", "--model-dir", str(artefact))
    cfg = run_flags.setup_config(run_flags.parser().parse_args(words))
    assert (cfg.TRAINER.NAME, cfg.TRAINER.COOP.N_CTX) == ("CoOp", 2)
    assert tuple(cfg.INPUT.SIZE) == (32, 32) and str(WEIGHTS) == cfg.MODEL.BACKBONE.NAME
    with pytest.raises(softcpt.UserError, match="N_CTX is 4: the run in .* trained with 2"):
        run_flags.setup_config(run_flags.parser().parse_args([*words, "TRAINER.COOP.N_CTX", "4"]))
