"""The mark in the name of a run's folder."""

from __future__ import annotations

from pathlib import Path

from softcpt.engine import run_flags
from softcpt.engine.run_folder import explained_folder, explained_mark, settings_mark


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
