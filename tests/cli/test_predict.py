"""``softcpt predict``: what is printed and written for folders, bad files and several tasks."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

import softcpt
from tests.helpers.runs import softcpt_command
from tests.helpers.toy import WEIGHTS

TASKS = softcpt.TaskSet(
    [softcpt.Task("fruit", ["apple", "kiwi", "plum"]), softcpt.Task("road signs", ["stop", "été"])]
)


@pytest.fixture(scope="module")
def artefact(tmp_path_factory):
    torch.manual_seed(0)
    clip = softcpt.load_clip(WEIGHTS)
    method = softcpt.build_prompter("CoOp", clip, TASKS, n_ctx=2)
    return softcpt.AdaptedClip(method, "CoOp").save(tmp_path_factory.mktemp("artefact"))


@pytest.fixture
def images(tmp_path):
    """Three images in a folder and one below it; a text file beside them."""
    folder, generator = tmp_path / "images", np.random.default_rng(0)
    (folder / "more").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "c.png", "more/d.png"):
        pixels = generator.integers(0, 256, (40, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[2:]]


def test_a_table_of_a_folder(artefact, images, capsys):
    assert softcpt_command("predict", artefact, images, "--task", "fruit") == 0
    printed = capsys.readouterr().out
    assert printed.split()[:3] == ["image", "label", "probability"]
    q = softcpt.load_prompt(artefact)
    paths = [images / name for name in ("a.jpg", "b.png", "c.png", "more/d.png")]
    found = q.predict(paths, task="fruit")
    expected = [[str(p), one.label, f"{one.probability:.4f}"] for p, one in zip(paths, found)]
    assert rows(printed) == expected


def test_a_guessed_task_is_called_one_everywhere(artefact, images, capsys):
    command = ("predict", artefact, images / "b.png", "--task", "auto")
    softcpt_command(*command)
    assert "task (a guess)" in capsys.readouterr().out
    softcpt_command(*command, "--format", "json")
    [entry] = json.loads(capsys.readouterr().out)
    assert entry["predictions"][0].keys() == {"guessed_task", "label", "probability"}
    softcpt_command(*command, "--format", "csv")
    assert capsys.readouterr().out.startswith("image,rank,guessed_task,label,probability,error\n")


def test_json_and_csv_have_the_same(artefact, images, tmp_path, capsys):
    (images / "bad.png").write_bytes((images / "b.png").read_bytes()[:500])
    command = ("predict", artefact, images, images / "gone.png", "--task", "all", "--top", "2")
    for kind in ("json", "csv"):
        out = tmp_path / kind
        assert softcpt_command(*command, "--format", kind, "--output", out) == 0
        captured = capsys.readouterr()
        assert captured.out == "" and "2 of 6 images could not be read" in captured.err
    entries = json.loads((tmp_path / "json").read_text())
    assert [entry["image"] for entry in entries][-1] == str(images / "gone.png")
    flat = [
        (entry["image"], one["task"], one["label"], pytest.approx(one["probability"], abs=1e-5))
        for entry in entries
        for one in entry.get("predictions", [])
    ]
    table = list(csv.DictReader(io.StringIO((tmp_path / "csv").read_text())))
    of_images = [row for row in table if not row["error"]]
    assert [
        (row["image"], row["task"], row["label"], float(row["probability"])) for row in of_images
    ] == flat
    assert [row["rank"] for row in of_images] == ["1", "2"] * 8
    errors = {entry["image"]: entry["error"] for entry in entries if "error" in entry}
    assert {row["image"]: row["error"] for row in table if row["error"]} == errors
    assert "truncated" in errors[str(images / "bad.png")]


def test_rows_are_sorted_if_asked(artefact, images, capsys):
    (images / "bad.png").write_text("no image")
    command = ("predict", artefact, images, "--task", "fruit", "--format", "json", "--sort")
    softcpt_command(*command, "probability")
    *good, bad = json.loads(capsys.readouterr().out)
    values = [entry["predictions"][0]["probability"] for entry in good]
    assert values == sorted(values, reverse=True) and "error" in bad
    softcpt_command(*command, "label")
    *good, bad = json.loads(capsys.readouterr().out)
    labels = [entry["predictions"][0]["label"] for entry in good]
    assert labels == sorted(labels) and "error" in bad


def refused(capsys, *words) -> str:
    assert softcpt_command(*words) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and "\n" not in error
    return error


def test_mistakes_are_one_line(artefact, images, tmp_path, capsys):
    out = tmp_path / "out.csv"
    line = refused(capsys, "predict", artefact, images, "--output", out)
    assert "there are 2 tasks; give one (fruit, road signs), all, or auto" in line
    assert not out.exists()
    assert "no images there" in refused(capsys, "predict", artefact, artefact)
    assert "no such folder" in refused(capsys, "predict", tmp_path / "x", images)
    assert "--top" in refused(capsys, "predict", artefact, images, "--top", "0")
    line = refused(capsys, "predict", artefact, images, "--task", "fruit", "--backbone", "tiny")
    assert "trained on clip_weights.npz" in line


def test_nothing_that_could_be_read_is_a_failure(artefact, images, capsys):
    assert softcpt_command("predict", artefact, images / "notes.txt", "--task", "fruit") == 1
    captured = capsys.readouterr()
    assert "is no image that Pillow knows" in captured.out
    assert "1 of 1 images could not be read" in captured.err
