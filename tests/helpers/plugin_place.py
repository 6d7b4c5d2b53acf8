"""A folder for trainers and data sets of others, all of which is forgotten afterwards."""

from __future__ import annotations

import sys

import pytest

from softcpt import plugins
from softcpt.engine.extension import extensions
from softcpt.prompters import METHODS


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for files; the current one is another, and all is as before afterwards."""
    from dassl.data.datasets import DATASET_REGISTRY
    from dassl.engine import TRAINER_REGISTRY

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv(plugins.FOLDERS, "")
    for name in ("_failed", "_shadowed"):
        monkeypatch.setattr(plugins, name, type(getattr(plugins, name))())
    for registry in (TRAINER_REGISTRY, DATASET_REGISTRY):
        # The built-in engine's, or an installed Dassl's.
        table = "_things" if hasattr(registry, "_things") else "_obj_map"
        monkeypatch.setattr(registry, table, dict(getattr(registry, table)))
    packages = [plugins._package(kind) for kind in ("trainers", "datasets")]
    for package in packages:
        monkeypatch.setattr(package, "__path__", list(package.__path__))
    loaded = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    methods = dict(METHODS)
    extensions.cache_clear()
    yield tmp_path
    METHODS.clear()
    METHODS.update(methods)
    for name in set(sys.modules) - loaded:
        if name.partition(".")[0] in ("trainers", "datasets", "clip"):
            del sys.modules[name]
    extensions.cache_clear()


def write(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
