"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the project."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "CONTRIBUTING.md"
HOSTS = "hosts.txt"

# One process for all commands: each is run as Python would run it, and ends it only if it fails.
RUN_ALL = """
import json, os, pathlib, runpy, sys
sys.path.insert(0, "")
from tests.helpers.layouts import build
build("Imagenette", pathlib.Path("data"))
for variables, words in json.loads(sys.argv[1]):
    os.environ.update(variables)
    module = words[0] == "-m"
    sys.argv = words[module:]
    print("$", *words, flush=True)
    try:
        (runpy.run_module if module else runpy.run_path)(sys.argv[0], run_name="__main__")
    except SystemExit as stop:
        if stop.code:
            raise
"""


@dataclass
class Recipe:
    """A section of the page: files that it writes, lines that it changes, commands that it runs."""

    files: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    commands: list[tuple[dict[str, str], list[str]]] = field(default_factory=list)


def read_recipes() -> dict[str, Recipe]:
    """By title. A file or a change belongs to the last `path` before it."""
    found = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        if not title.startswith("Add a "):
            continue
        recipe = found.setdefault(title, Recipe())
        for before, language, block in re.findall(r"(.*?)```(\w+)\n(.*?)```", text, re.DOTALL):
            named = re.findall(r"`([\w/]+\.\w+)`", before)
            if language == "bash":
                recipe.commands += map(command, block.splitlines())
            elif language == "diff":
                recipe.changes.append((named[-1], block))
            else:
                recipe.files[named[-1]] = block
    return found


def command(line: str) -> tuple[dict[str, str], list[str]]:
    """Variables and words of ``NAME=value python ...``."""
    words = shlex.split(line)
    start = words.index("python")
    return dict(word.split("=", 1) for word in words[:start]), words[start + 1 :]


def changed(text: str, block: str) -> str:
    """``text`` with a block of changes made: lines that stay are found, added ones put between;
    "..." leaves lines out, and a block of added lines alone is appended."""
    for hunk in block.split("...\n"):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] == " ")
        new = "".join(line[1:] for line in lines)
        if not old:
            return text + new
        assert text.count(old) == 1, (
            f"the page wants to change this, which is not there once: {old}"
        )
        text = text.replace(old, new)
    return text


RECIPES = read_recipes()


def copy_project(copy: Path) -> None:
    """Code, settings and tests; what is large is linked."""
    large = {"softcpt/assets", "tests/golden"}
    for name in ("softcpt", "trainers", "datasets", "configs", "tests"):
        left_out = [Path(path).name for path in large if path.startswith(name)]
        ignored = shutil.ignore_patterns("__pycache__", *left_out)
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for path in large:
        (copy / path).symlink_to(ROOT / path)
    for name in ("train.py", "pyproject.toml"):
        shutil.copy(ROOT / name, copy / name)


def draw_flowers(folder: Path) -> None:
    """Two classes of coloured noise, ten images each."""
    generator = np.random.default_rng(0)
    for name, colour in (("rose", (200, 40, 40)), ("daisy", (220, 220, 200))):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            pixels = np.array(colour) + generator.integers(-30, 30, (48, 48, 3))
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            image.save(folder / name / f"{number}.png")


def stand_in_for_ssh(folder: Path) -> None:
    """An ssh whose hosts are all this machine; it notes which were called."""
    folder.mkdir()
    script = folder / "ssh"
    script.write_text(f'#!/bin/sh\necho "$1" >> {HOSTS}\nexec setsid sh -c "exec $2"\n')
    script.chmod(0o755)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The copy in which all recipes were followed, and what their commands printed."""
    copy = tmp_path_factory.mktemp("contributing") / "project"
    copy_project(copy)
    for recipe in RECIPES.values():
        for name, text in recipe.files.items():
            assert not (copy / name).exists(), f"{name} is there already"
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_text(text, encoding="utf-8")
        for name, block in recipe.changes:
            path = copy / name
            path.write_text(changed(path.read_text(encoding="utf-8"), block), encoding="utf-8")
    draw_flowers(copy / "my_flowers")
    stand_in_for_ssh(copy / "bin")
    environment = os.environ | {
        "PYTHONPATH": str(copy),
        "PATH": f"{copy / 'bin'}:{os.environ['PATH']}",
        "SOFTCPT_CACHE": str(tmp_path_factory.getbasetemp() / "cache"),
    }
    commands = [
        (variables, words)
        for recipe in RECIPES.values()
        for variables, words in recipe.commands
        if words[:4] != ["-m", "softcpt", "data", "get"]  # downloads
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(commands)],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return copy, done.stdout


def results(copy: Path, pattern: str) -> dict:
    [path] = (copy / "output").glob(f"{pattern}/results.json")
    return json.loads(path.read_text())


def test_the_page_has_all_recipes():
    assert list(RECIPES) == [
        f"Add a {kind}" for kind in ("method", "data set", "backbone", "metric", "launcher")
    ]
    assert all(recipe.commands for recipe in RECIPES.values())
    assert all(recipe.files or recipe.changes for recipe in RECIPES.values())


@pytest.mark.slow
def test_the_method_trains(followed):
    copy, printed = followed
    assert "ClassResidual on tiny" in printed
    result = results(copy, "Emoji44/ClassResidual/*/seed1")
    assert result["method"] == "ClassResidual" and len(result["tasks"]["ClassResidual"]) == 2
    classes = sum(task["classes"] for task in result["tasks"]["ClassResidual"])
    assert result["trainable_parameters"] == classes * 256  # the width of tiny's joint space


@pytest.mark.slow
def test_the_data_set_is_read(followed):
    copy, _ = followed
    [task] = results(copy, "Imagenette/CoOp/*/seed1")["tasks"]["CoOp"]
    assert task["name"] == "object image classification"
    assert (task["classes"], task["total"]) == (10, 40)  # four validation images per class


@pytest.mark.slow
def test_the_backbone_is_trained_on(followed):
    copy, _ = followed
    result = results(copy, "Emoji44/CoOp/my_clip_*/seed1")
    assert result["backbone"] == "my_clip" and result["curve"]


@pytest.mark.slow
def test_the_metric_is_in_the_results(followed):
    copy, _ = followed
    [task] = results(copy, "ImageFolder/ZeroshotCLIP/tiny_4shots-*/seed1")["tasks"]["ZeroShot"]
    # Of two recalls with mean m the lower one is at most m, and at least what 100 leaves of 2 m.
    mean = task["mean_per_class"]
    assert max(0, 2 * mean - 100) - 1e-9 <= task["metric"] <= mean


@pytest.mark.slow
def test_the_launcher_runs_the_jobs(followed):
    copy, printed = followed
    assert "2 of 2 jobs are done" in printed
    assert set((copy / HOSTS).read_text().split()) <= {"node1", "node2"}


@pytest.mark.slow
def test_what_the_page_writes_passes_the_linter(followed):
    copy, _ = followed
    names = [name for recipe in RECIPES.values() for name in recipe.files if name.endswith(".py")]
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", *names],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
