"""The programs of docs/library.md, run one after the other; its table is that of ``fit``."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import softcpt
from softcpt.engine.fit_settings import KEYS
from softcpt.prompters import METHODS
from tests.docs.test_contributing import draw_flowers

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "library.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("my_flowers", "my_pets"):
        draw_flowers(tmp_path / name)
    names: dict[str, object] = {}
    try:
        for program in PROGRAMS:
            exec(compile(program, "docs/library.md", "exec"), names)
    finally:
        METHODS.pop("TrainedBias", None)
    printed = capsys.readouterr().out
    said = re.findall(r"^print\(.*\)  # (.*)$", "\n".join(PROGRAMS), re.MULTILINE)
    assert said and all(line in printed for line in said)
    assert names["best"]["epoch"] >= 1 and names["mine"].method is names["method"]
    straight = softcpt.fit("CoOp", names["clip"], names["data"], epochs=4)
    for name, tensor in straight.method.reference_state().items():
        assert tensor.equal(names["whole"].method.reference_state()[name])


def test_the_table_has_every_setting_with_its_default():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| `([\w.]+)` \|", PAGE, re.MULTILINE)
    assert {name: key for name, _, key in rows} == KEYS
    parameters = inspect.signature(softcpt.fit).parameters
    in_words = {"transforms": "crop, flip", "workers": "cores - 1"}
    for name, default, _ in rows:
        if name in in_words:
            assert default == in_words[name]
        else:
            assert default == "`" + repr(parameters[name].default).replace("'", '"') + "`"
