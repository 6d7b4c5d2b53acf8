"""The commands and programs of docs/multi-task.md, run one after the other."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from tests.docs.test_use_a_trained_prompt import run_block

PAGE = Path(__file__).resolve().parents[2] / "docs" / "multi-task.md"


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text("utf-8")
    names: dict[str, object] = {}
    for language, block in re.findall(r"```(bash|python)\n(.*?)```", text, re.DOTALL):
        run_block(language, block.replace("\\\n", " "), names)
    printed = capsys.readouterr().out
    assert "size: labelled images train" in printed and "('colour', 'shape', 'size')" in printed
    [excerpt] = re.findall(r"```csv\n(.*?)```", text, re.DOTALL)
    assert (tmp_path / "shapes.csv").read_text().startswith(excerpt)
    for folder in ("prompt", "head"):
        result = json.loads((tmp_path / folder / "results.json").read_text())
        sizes = result["tasks"][result["method"]][2]
        assert sizes["name"] == "size" and 0 <= sizes["mae"] <= 20
        assert result["class_names"]["size"] == ["10", "20", "30"]
    rows = list(csv.DictReader((tmp_path / "labels.csv").open()))
    assert [row["task"] for row in rows] == ["colour", "shape", "size"] * 2
    assert [bool(row["expected"]) for row in rows] == [False, False, True] * 2
    balanced = json.loads((tmp_path / "balanced" / "results.json").read_text())
    assert "TaskBalanced" in balanced["config"] and len(balanced["curve"]) == 2
