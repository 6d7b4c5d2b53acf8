"""Help and wrong flags are answered before torch is imported: in a fifth of a second, not in
five."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from softcpt import plugins
from softcpt.cli.main import COMMANDS, OWN_FLAGS
from softcpt.engine import extension, run_flags
from tests.helpers.plugin_place import place, write  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
COMMAND_LINES = [
    [],
    ["--help"],
    ["--version"],
    *([name, "--help"] for name in sorted((*COMMANDS, *OWN_FLAGS))),
    ["train", "--trainr", "SoftCPT"],
    ["report", "--metrik", "accuracy"],
]
ASKED = f"""
import sys
from softcpt.cli.main import main
for words in {COMMAND_LINES}:
    try:
        main(words)
    except SystemExit:
        pass
    heavy = [name for name in ("torch", "sklearn", "scipy", "timm") if name in sys.modules]
    assert not heavy, (words, heavy)
"""


def test_help_and_wrong_flags_import_no_torch():
    found = subprocess.run(
        [sys.executable, "-c", ASKED],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "unrecognized arguments: --trainr" in found.stderr
    for name in (*COMMANDS, *OWN_FLAGS):
        assert f"softcpt {name}" in found.stdout or name == "train"


def test_flags_of_our_trainers_are_known_without_importing_them():
    none = extension.Extension().add_flags
    ours = extension._of(plugins.load("trainers")["mvlpt"])
    assert ours is not None and "--multi-task-evalkey" in run_flags.parser().format_help()
    for name, module in plugins.load("trainers").items():
        found = extension._of(module)
        assert found is None or found.add_flags is none, (
            f"{name}: put its flags into softcpt/engine"
        )


FLAGGED = """
from softcpt.engine.extension import Extension

EXTENSION = Extension(add_flags=lambda parser: parser.add_argument("--width", type=int))
"""


@pytest.mark.parametrize("how", ["entry point", "folder"])
def test_flags_of_other_trainers_are_found(place, monkeypatch, how):  # noqa: F811
    from importlib import metadata

    assert not plugins.has_others("trainers")
    if how == "folder":
        write(place / "trainers", "flagged.py", FLAGGED)
        monkeypatch.setenv(plugins.FOLDERS, str(place))
    else:
        write(place, "flagged_elsewhere.py", FLAGGED)
        monkeypatch.syspath_prepend(place)
        entry = metadata.EntryPoint("flagged", "flagged_elsewhere", "softcpt.trainers")
        groups = {"softcpt.trainers": [entry]}
        monkeypatch.setattr(metadata, "entry_points", lambda group: groups.get(group, []))
    assert "--width" in run_flags.parser().format_help()
