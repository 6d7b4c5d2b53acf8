"""The commands and programs of docs/use-a-trained-prompt.md, run one after the other."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import softcpt
from softcpt.cli import train
from tests.helpers.runs import softcpt_command

PAGE = Path(__file__).resolve().parents[2] / "docs" / "use-a-trained-prompt.md"


def run_block(language: str, block: str, names: dict[str, object]) -> None:
    if language == "python":
        exec(block, names)
        return
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        if words[:2] == ["python", "train.py"]:
            train.main(words[2:])
        else:
            assert words[:3] == ["python", "-m", "softcpt"]
            assert softcpt_command(*words[3:]) == 0


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in "ab":
        pixels = generator.integers(0, 256, (60, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    blocks = re.findall(r"```(bash|python)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    for language, block in blocks:
        run_block(language, block, names)
    printed = capsys.readouterr().out
    assert "AdaptedClip(SoftCPT on tiny, 2 task(s)" in printed and "fly agaric" in printed
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert len(rows) == 2 * 2 * 3
    assert softcpt.load_prompt("with_mushrooms").tasks.names[-1] == "mushroom image classification"
    before, after = (softcpt.load_prompt(folder).record for folder in ("run", "test"))
    assert before.measured["test"]["tasks"] == after.measured["test"]["tasks"]
