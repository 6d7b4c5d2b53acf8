"""The commands of docs/inspect.md, run one after the other."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from softcpt.cli import train
from tests.helpers.runs import softcpt_command

PAGE = Path(__file__).resolve().parents[2] / "docs" / "inspect.md"


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    lines = [
        line
        for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:2] == ["python", "train.py"]:
            train.main(words[2:])
        elif words[0] == "cp":
            shutil.copytree(words[2], words[3])
        elif words[0] != "pip":
            assert words[:3] == ["python", "-m", "softcpt"] and softcpt_command(*words[3:]) == 0
    assert "left out: Calibration: no run beside the artefact" in capsys.readouterr().out
    # What the table says is there, and nothing else.
    patterns = set(re.findall(r"`([\w*-]+\.(?:png|csv))`", text))
    written = {path.name for path in (tmp_path / "with_run").iterdir()}
    assert written == {path.name for path in (tmp_path / "inspect").iterdir()}
    matched = {path.name for pattern in patterns for path in Path("inspect").glob(pattern)}
    assert all(list(Path("inspect").glob(pattern)) for pattern in patterns)
    assert written - matched == {"index.html", "index.md"}
