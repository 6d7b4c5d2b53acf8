"""``softcpt inspect`` on the run that left the prompt, and on a prompt alone."""

from __future__ import annotations

import csv
import re
import shutil

import pytest
from PIL import Image

from tests.helpers.runs import run, softcpt_command

PICTURES = {"accuracy-tasks", "accuracy-classes", "confusions", "calibration", "curve"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on two tasks, and a folder without it that has the artefact alone."""
    folder = tmp_path_factory.mktemp("trained")
    run(folder, "CoOp")
    shutil.copytree(folder / "out" / "artefact", folder / "alone" / "artefact")
    return folder


def inspected(*words) -> tuple[int, set[str]]:
    *_, to = words
    return softcpt_command("inspect", *words[:-1], "--to", to), {
        path.name for path in to.iterdir()
    } if to.is_dir() else set()


def test_a_run_is_shown_whole(trained, tmp_path, capsys):
    status, files = inspected(trained / "out", tmp_path / "page")
    printed = capsys.readouterr()
    assert status == 0 and not printed.err
    assert {f"{name}.png" for name in PICTURES} <= files
    left_out = re.findall("left out: (.*)", printed.out)
    assert left_out == ["Similarity of tasks: there are 2 task(s), and it takes three"]
    for name in PICTURES:
        with Image.open(tmp_path / "page" / f"{name}.png") as picture:
            assert min(picture.size) > 200
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count("<img ") == len(PICTURES) and not re.search(r'(src|href)="(?!data:)', page)
    markdown = (tmp_path / "page" / "index.md").read_text()
    assert set(re.findall(r"\]\((.*)\.png\)", markdown)) == PICTURES
    with open(tmp_path / "page" / "words.csv", newline="", encoding="utf-8") as file:
        words = list(csv.DictReader(file))
    assert {int(row["rank"]) for row in words} == {1, 2, 3, 4, 5}
    distances = [float(row["distance"]) for row in words[:5]]
    assert distances == sorted(distances)


def test_a_prompt_alone_says_what_is_not_known(trained, tmp_path, capsys):
    status, files = inspected(trained / "alone" / "artefact", tmp_path / "page")
    printed = capsys.readouterr().out
    assert status == 0
    for title in ("Most confused classes", "Calibration"):
        assert f"left out: {title}: no run beside the artefact" in printed
    assert {"accuracy-tasks.png", "curve.png", "index.html"} <= files
    assert not {"calibration.png", "accuracy-classes.png"} & files
    words = ["--run", trained / "out"]
    status, files = inspected(trained / "alone" / "artefact", *words, tmp_path / "whole")
    assert status == 0 and {f"{name}.png" for name in PICTURES} <= files


def test_a_run_of_another_prompt_is_refused(trained, tmp_path, capsys):
    run(trained, "SoftCPT", out="other", epochs=1)
    status, files = inspected(
        trained / "alone" / "artefact", "--run", trained / "other", tmp_path / "page"
    )
    assert status == 2 and not files
    assert "the run is of SoftCPT, the artefact of CoOp" in capsys.readouterr().err
    status, _ = inspected(trained / "alone" / "artefact", "--run", tmp_path, tmp_path / "page")
    assert status == 2 and "no results.json" in capsys.readouterr().err


def test_images_that_are_gone_are_left_out(trained, tmp_path, capsys):
    status, files = inspected(trained / "out", "--root", tmp_path, tmp_path / "page")
    assert status == 0 and "confusions.png" not in files and "confusions.csv" in files
    assert "no example images: their files are not found here" in capsys.readouterr().out
