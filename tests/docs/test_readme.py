"""README.md: its commands run, its code works, and its tables say what the files say."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import softcpt
from tests.docs.test_contributing import draw_flowers

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FEW = ["DATASET.SUBSAMPLE_TASKS", "task0,task1", "OPTIM.MAX_EPOCH", "1"]
# What is added to a command that begins so, to have it run in seconds; the first that fits.
ADDED = {
    "python train.py --images my_flowers my_pets --shots 4 --config-file": ["--show-config"],
    "python train.py --images": ["OPTIM.MAX_EPOCH", "1"],
    "python train.py": FEW,
    "scripts/compare.sh": FEW,
    "python -m softcpt grid": ["--methods", "CoOp", "--shots", "1", "--seeds", "1", *FEW],
    "python -m softcpt report": ["--formats", "md"],
    "python -m softcpt transfer": ["--list"],
    "python tools/sharing_study.py": ["--help"],
    "python -m softcpt data preview": [],
    "python -m softcpt predict": [],
    "python -m softcpt export": [],
    "python -m softcpt inspect": [],
    "python -m softcpt serve": ["--help"],
}
SET_UP = ("python3 -m venv", ". .venv/bin/activate", "pip install ")
# One process for all: each command is run as Python would run it, and ends it only if it fails.
RUN_ALL = """
import json, runpy, subprocess, sys
sys.path.insert(0, "")
for words in json.loads(sys.argv[1]):
    print("$", *words, flush=True)
    if words[0] != "python":
        subprocess.run(words, check=True)
        continue
    module = words[1] == "-m"
    sys.argv = words[1 + module:]
    try:
        (runpy.run_module if module else runpy.run_path)(sys.argv[0], run_name="__main__")
    except SystemExit as stop:
        if stop.code:
            raise
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Without comments, and without those that set an environment up."""
    text = "".join(blocks("bash")).replace("\\\n", " ")
    lines = [re.sub(r"(^|\s+)#.*", "", line) for line in text.splitlines()]
    return [" ".join(line.split()) for line in lines if line and not line.startswith(SET_UP)]


def quick(line: str) -> list[str]:
    """The words of a command, and what makes it quick."""
    added = [more for beginning, more in ADDED.items() if line.startswith(beginning)]
    assert added, f"a new command, '{line}': ADDED says how it runs in seconds"
    return shlex.split(line) + added[0]


def table(header: str) -> list[list[str]]:
    """Rows of the table whose header begins so, as cells without bold and code marks."""
    [text] = re.findall(
        rf"^\| {re.escape(header)} .*\n\|[ :|-]+\n((?:\|.*\n)+)", README, re.MULTILINE
    )
    rows = [line.strip("|\n").split("|") for line in text.splitlines()]
    return [[cell.strip().replace("**", "") for cell in row] for row in rows]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder that looks like the checkout, with two folders of images in it."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("train.py", "scripts", "configs", "softcpt", "tools"):
        (folder / name).symlink_to(ROOT / name)
    draw_flowers(folder / "my_flowers")
    draw_flowers(folder / "my_pets")
    for old, new in (
        ("my_flowers/daisy", "tulip"),
        ("my_pets/rose", "cat"),
        ("my_pets/daisy", "dog"),
    ):
        (folder / old).rename((folder / old).with_name(new))
    for image in folder.glob("my_*/*/*.png"):
        image.rename(image.with_suffix(".jpg"))
    return folder


@pytest.mark.slow
def test_commands_run(project):
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps([quick(line) for line in commands()])],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = [json.loads(path.read_text()) for path in project.glob("output/**/results.json")]
    assert {result["method"] for result in found} >= {"SoftCPT", "TextGDA-MT", "CoOp", "ZeroShot"}
    report = (project / "report/report.md").read_text()
    assert "my flowers" in report and "TextGDA-MT" in report


def test_the_code_works(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    [code] = blocks("python")
    quicker = code.replace('"SoftCPT", clip, data)', '"SoftCPT", clip, data, epochs=3)')
    assert quicker != code
    names: dict[str, object] = {}
    exec(compile(quicker, "README.md", "exec"), names)
    assert "MEAN OVER TASKS" in capsys.readouterr().out
    assert names["best"].label in ("rose", "tulip") and Path("classes.safetensors").is_file()
    assert names["again"].tasks.names == names["data"].tasks.names == ("my flowers", "my pets")


def test_all_trainers_are_in_the_table_of_methods():
    named = {
        name for row in table("method | `--trainer`") for name in re.findall(r"`(\w+)`", row[1])
    }
    assert named == {
        re.search(r"^class (\w+)", block, re.MULTILINE)[1]
        for path in (ROOT / "trainers").glob("*.py")
        for block in path.read_text(encoding="utf-8").split("@TRAINER_REGISTRY.register()")[1:]
    }


def kept_results() -> dict[tuple[str, str], str]:
    """(method, shots) -> the figure as README prints it, from the kept report."""
    found = {}
    path = ROOT / "docs/results/emoji44/tables/accuracy.csv"
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["task"] == "mean over tasks" and row["mean"]:
                found[row["method"], row["shots"]] = f"{float(row['mean']):.2f}"
    return found


def test_results_are_those_of_the_kept_reports():
    kept = kept_results()
    rows = [row for row in table("method | 1 shot") if any(row[1:])]
    assert len(rows) >= 10
    for name, *figures in rows:
        method = name.partition(" (")[0]
        expected = [kept.get((method, shots), "") for shots in ("1", "2", "4", "average")]
        assert figures == expected, method
    bold = set(re.findall(r"\*\*([\d.]+)\*\*", README.partition("| method | 1 shot")[2]))
    columns = list(zip(*rows, strict=True))[1:]
    assert bold == {max(column) for column in columns}


def test_citations_are_those_of_the_citation_file():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    entries = re.findall(r"^@\w+\{(.*?)^\}", "".join(blocks("bibtex")), re.DOTALL | re.MULTILINE)
    assert len(entries) == 1 + len(citation["references"])
    for work in citation["references"]:
        [entry] = [entry for entry in entries if f"{{{work['title']}}}" in entry]
        names = [f"{author['family-names']}, {author['given-names']}" for author in work["authors"]]
        assert " and ".join(names) in re.sub(r"\s+", " ", entry)
        assert f"{{{work['journal']}}}" in entry and f"year = {{{work['year']}}}" in entry
    [own] = [entry for entry in entries if f"{{{citation['title']}}}" in entry]
    assert f"version = {{{citation['version']}}}" in own
    assert citation["version"] == softcpt.__version__
