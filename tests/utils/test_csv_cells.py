"""No CSV file that is written has a cell that a spreadsheet would run as a formula."""

from __future__ import annotations

import csv
import io
import sys

import numpy as np

from softcpt.artefacts.prediction import Failed, Prediction
from softcpt.artefacts.prediction_formats import WRITERS
from softcpt.study.findings import Findings
from softcpt.study.findings import write as write_study
from softcpt.study.matrix import Matrix
from softcpt.tasks import Task, TaskSet


def test_predictions():
    file = io.StringIO()
    tasks = TaskSet([Task("=task", ["+cat", "dog"])])
    writer = WRITERS["csv"](file, ["@a.jpg", "b.jpg"], tasks, False)
    writer.begin()
    writer.row("@a.jpg", Prediction("+cat", 0.75, "=task"))
    writer.row("b.jpg", Failed("b.jpg", "-broken"))
    writer.end()
    rows = list(csv.reader(io.StringIO(file.getvalue())))
    assert rows[1] == ["'@a.jpg", "1", "'=task", "'+cat", "0.750000", ""]
    assert rows[2] == ["b.jpg", "", "", "", "", "'-broken"]


def test_a_study(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    matrix = Matrix("CoOp", "joint", np.full((1, 3), 50.0), np.full((1, 3, 3), 40.0))
    names = ["=a", "@b", "c"]
    write_study(Findings(names, "", [matrix], {"visual": np.eye(3)}, ""), tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "CoOp-joint.csv").read_text())))
    assert {row["target"] for row in rows} == {"'=a", "'@b", "c"}
    assert {row["gain"] for row in rows} == {"", "-10.0000"}
