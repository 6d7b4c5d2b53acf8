"""docs/serve.md: its commands, what its programs print, and its table of answers."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

import softcpt
from softcpt.artefacts.serve.app import make_app
from softcpt.cli import serve
from tests.helpers.served import served

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two photos, and a prompt for the tasks of the page's run."""
    folder, generator = tmp_path_factory.mktemp("page"), np.random.default_rng(0)
    (folder / "photos").mkdir()
    for name in "ab":
        pixels = generator.integers(0, 256, (60, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def q():
    tasks = softcpt.TaskSet(
        [
            softcpt.Task("smiling faces", ["grinning face", "winking face", "kissing face"]),
            softcpt.Task("worried faces", ["worried face", "crying face"]),
        ]
    )
    clip = softcpt.load_clip("tiny")
    return softcpt.AdaptedClip(softcpt.build_prompter("SoftCPT", clip, tasks), "SoftCPT")


@pytest.fixture
def client(q):
    with served(make_app(q)) as client:
        yield client


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def here(text: str, client: httpx.Client) -> str:
    assert ADDRESS in text
    return text.replace(ADDRESS, str(client.base_url).rstrip("/"))


def test_the_commands_are_understood():
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    found = [parser.parse_args(shlex.split(x)[4:]) for x in lines if "softcpt serve" in x]
    assert [(one.host, one.port) for one in found] == [("127.0.0.1", 7860), ("0.0.0.0", 0)]
    flags = {name: str(default) for name, default in re.findall(r"\| `(--[\w-]+)` \| (\d+) ", PAGE)}
    defaults = {f"--{name.replace('_', '-')}": str(value) for name, value in vars(found[0]).items()}
    assert len(flags) == 3 and flags.items() <= defaults.items()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl_gets_the_best_classes(client, q, folder):
    [line] = [line for block in blocks("bash") for line in block.splitlines() if "curl" in line]
    words = [*shlex.split(here(line, client)), "--silent", "--noproxy", "*"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    expected = q.predict([folder / "photos" / f"{n}.png" for n in "ab"], "smiling faces", top=3)
    for wanted in expected:
        for one in wanted:
            assert f'"label":"{one.label}"' in done.stdout
    assert done.stdout.count('"task":"smiling faces"') == 2 * 3


def test_the_program_prints_every_tasks_best(client, q, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    [program] = blocks("python")
    exec(here(program, client), {})
    lines = capsys.readouterr().out.splitlines()
    for line, entries in zip(
        lines, q.predict(["photos/a.png", "photos/b.png"], "all"), strict=True
    ):
        assert all(f"'label': '{one.label}'" in line for one in entries)


def test_the_table_has_every_address(client):
    table = set(re.findall(r"^\| `(GET|POST) (/[\w.]+)`", PAGE, re.MULTILINE))
    schema = client.get("/openapi.json").json()["paths"]
    routes = {(verb.upper(), path) for path, verbs in schema.items() for verb in verbs}
    assert table == routes | {("GET", "/openapi.json")}
