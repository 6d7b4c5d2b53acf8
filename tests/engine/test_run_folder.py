"""The mark in the name of a run's folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from softcpt.engine import run_flags, run_folder
from softcpt.engine.run_folder import explained_folder, explained_mark, settings_mark
from softcpt.errors import UserError


def test_a_mark_is_explained_by_the_settings_that_made_it():
    pairs = [("OPTIM.LR", "0.1"), ("DATASET.NUM_SHOTS", "2"), ("INPUT.SIZE", "[64, 64]")]
    mark = settings_mark(pairs)
    assert explained_mark(pairs) == (
        f"'{mark}' in the folder's name stands for: INPUT.SIZE [64, 64], OPTIM.LR 0.1"
    )
    assert settings_mark(pairs[1:2]) == explained_mark(pairs[1:2]) == ""


def test_a_run_in_its_usual_folder_says_what_the_mark_stands_for():
    words = ["--trainer", "CoOp", "--model-dir", "source", "OPTIM.MAX_EPOCH", "3"]
    args = run_flags.parser().parse_args(words)
    folder = Path(run_flags.setup_config(args).OUTPUT_DIR).parent.name
    text = explained_folder(args)
    assert f"'{folder[-7:]}'" in text and folder[-7] == "-"
    assert "--model-dir source None" not in text and "--model-dir source" in text
    assert explained_folder(run_flags.parser().parse_args(["--output-dir", "out", *words])) == ""


def test_a_second_run_into_a_folder_is_refused_while_the_first_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "PATIENCE", 0.2)
    with (
        run_folder.alone_in(tmp_path),
        pytest.raises(UserError, match=f"^{tmp_path}: another run writes into it now; wait"),
        run_folder.alone_in(tmp_path),
    ):
        pass
    with run_folder.alone_in(tmp_path):  # free again
        pass


def test_a_killed_run_frees_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "PATIENCE", 0.2)
    child = os.fork()
    if not child:
        with run_folder.alone_in(tmp_path):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    with run_folder.alone_in(tmp_path):
        pass
