"""The snippets of docs/data-in-python.md run from top to bottom, as a reader would run them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from softcpt import plugins
from softcpt.data.options import KEYS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/data-in-python.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def draw(folder):
    generator = np.random.default_rng(0)
    for name in ("red rose", "Tulip", "daisy"):
        (folder / name).mkdir(parents=True)
        for number in range(6):
            pixels = generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.JPG")


def test_the_snippets_run(tmp_path, monkeypatch, capsys):
    plugins.load("datasets")
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    for name in ("my_flowers", "my_pets", "my_trees"):
        draw(tmp_path / name)
    names: dict[str, object] = {}
    for snippet in SNIPPETS:
        if "import datasets" in snippet:
            pytest.importorskip("pyarrow")
        exec(compile(snippet, "data-in-python.md", "exec"), names)
    printed = capsys.readouterr().out
    assert len(SNIPPETS) == 8
    said = re.findall(r"^print\(.*\)  # (.*)$", "\n".join(SNIPPETS), re.MULTILINE)
    assert len(said) >= 3 and all(line in printed for line in said)
    assert (names["data"].tasks.sizes) == (2, 3)


def test_the_table_has_every_keyword():
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", PAGE, re.MULTILINE)
    keywords = {word for cell, _ in rows for word in re.findall(r"`(\w+)`", cell)}
    assert keywords == {*KEYS, "seed", "verbose"} - {"name"}
    keys = {key for _, cell in rows for key in re.findall(r"`DATASET\.(\w+)`", cell)}
    assert keys == {*KEYS.values()} - {"NAME", "SPLIT", "METRIC"}
