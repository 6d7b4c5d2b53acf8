"""A Python that lacks a requirement, or is too old, ends with one line that helps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from softcpt.utils import requirements
from softcpt.utils.requirements import explained

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("words", ["train.py", "-m softcpt grid --list", "-m softcpt env"])
def test_a_bare_python_names_what_is_missing(words):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, "-S", *words.split()],  # without site-packages
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1 and ended.stdout == ""
    assert re.fullmatch(
        rf"error: torch, torchvision, .* packages are not installed for {sys.executable}; .+\n",
        ended.stderr,
    )


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(requirements, "_checkout", lambda: tmp_path)
    return tmp_path


def message_of(error: Exception) -> str:
    with pytest.raises(SystemExit) as end, explained():
        raise error
    return str(end.value.code)


def missing(monkeypatch, *modules: str) -> Exception:
    monkeypatch.setattr(requirements, "is_installed", lambda name: name not in modules)
    return ModuleNotFoundError("it is missing", name=f"{modules[0]}.part")


def test_the_environment_of_the_checkout_is_named(checkout, monkeypatch):
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").touch()
    assert message_of(missing(monkeypatch, "yacs", "PIL")) == (
        f"error: pillow and yacs are not installed for {sys.executable}; activate the environment "
        f"that is there: source {checkout}/.venv/bin/activate"
    )
    monkeypatch.setattr(requirements, "OLDEST_PYTHON", (99, 0))
    old = message_of(ValueError())
    assert "use Python 99.0 or newer; activate" in old and f"source {checkout}/.venv" in old


def test_otherwise_what_to_install_is(checkout, monkeypatch):
    text = message_of(missing(monkeypatch, "yacs"))
    assert text.endswith(f"; {sys.executable} -m pip install -e {checkout}")
    monkeypatch.setattr(requirements, "_checkout", lambda: None)
    text = message_of(missing(monkeypatch, "yaml", "sklearn", "torch"))
    assert text.startswith("error: torch, PyYAML and scikit-learn are not installed")
    assert text.endswith("-m pip install torch PyYAML scikit-learn")


def test_other_modules_and_debug_keep_their_traceback(monkeypatch):
    with pytest.raises(ModuleNotFoundError), explained():
        raise ModuleNotFoundError("a user's own", name="mine")
    with pytest.raises(ModuleNotFoundError), explained(debug=True):
        raise missing(monkeypatch, "torch")
