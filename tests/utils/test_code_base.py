"""Files of another code base are imported as there: what lies beside them first, under its names
there."""

from __future__ import annotations

import importlib
import sys

import pytest

from softcpt.utils.code_base import imported_from, taken_packages


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A code base with a package; a package of ours, ``house.rooms``, and one called as its."""
    for path, text in {
        "ours/house/__init__.py": "",
        "ours/house/rooms/__init__.py": "",
        "ours/house/rooms/kitchen.py": "made = object()",
        "ours/tool/__init__.py": "WHO = 'ours'",
        "theirs/tool/__init__.py": "WHO = 'theirs'",
        "theirs/shelf.py": "from chambers.kitchen import made",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "ours"), *sys.path])
    loaded = set(sys.modules)
    yield tmp_path / "theirs"
    for name in set(sys.modules) - loaded:
        del sys.modules[name]


def test_their_name_of_our_package_is_our_package(base):
    kitchen = importlib.import_module("house.rooms.kitchen")
    specification = kitchen.__spec__
    with imported_from(base, {"chambers": "house.rooms"}):
        shelf = importlib.import_module("shelf")
    assert shelf.made is kitchen.made
    assert kitchen.__spec__ is specification and kitchen.__name__ == "house.rooms.kitchen"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("chambers.bath")


def test_their_folder_is_first_inside_and_last_afterwards(base):
    with imported_from(base, {}):
        assert importlib.import_module("tool").WHO == "theirs"
    assert sys.path[-1] == str(base) and sys.path.count(str(base)) == 1
    assert taken_packages(base) == {}


def test_a_package_that_is_imported_from_elsewhere_is_known(base):
    importlib.import_module("tool")
    with imported_from(base, {}):
        assert importlib.import_module("tool").WHO == "ours"
    assert taken_packages(base) == {"tool": base.parent / "ours/tool"}
