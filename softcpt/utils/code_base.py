"""Imports files of another code base as they are imported there.

Files of the CoOp family stand in ``trainers/`` and ``datasets/`` of a folder that also has the
packages they need (``clip/``), and that Python searches first when ``train.py`` lies there. They
call their neighbours ``trainers.x`` and ``datasets.x``, whatever the package is called here.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


@contextmanager
def imported_from(base: Path, packages: Mapping[str, str]) -> Iterator[None]:
    """Inside, ``base`` is searched first; afterwards last, for what functions import when they run.

    Args:
        base: the folder that holds ``trainers/``, ``datasets/`` or both.
        packages: what files there call a package -> what it is called here.
    """
    place = str(base)
    other_names = _OtherNames({theirs: ours for theirs, ours in packages.items() if theirs != ours})
    if place in sys.path:
        sys.path.remove(place)
    sys.path.insert(0, place)
    sys.meta_path.insert(0, other_names)
    try:
        yield
    finally:
        sys.meta_path.remove(other_names)
        sys.path.remove(place)
        sys.path.append(place)


def taken_packages(base: Path) -> dict[str, Path]:
    """Packages in ``base`` of whose names others are imported: name -> where the imported one
    lies."""
    found = {}
    for init in base.glob("*/__init__.py"):
        loaded = getattr(sys.modules.get(init.parent.name), "__file__", None)
        if loaded and Path(loaded).resolve() != init.resolve():
            found[init.parent.name] = Path(loaded).parent
    return found


class _OtherNames(MetaPathFinder, Loader):
    """Answers to ``trainers.coop`` with the module ``softcpt.trainers.coop``."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def find_spec(
        self,
        fullname: str,
        _path: Sequence[str] | None = None,
        _target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The module of that name here, if there is one."""
        ours = self._ours(fullname)
        if ours is None or importlib.util.find_spec(ours) is None:
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself."""
        module = importlib.import_module(self._ours(spec.name) or spec.name)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it has run. Its own specification is put back."""
        spec = module.__spec__
        if spec is not None and spec.loader is self:
            module.__spec__ = spec.loader_state

    def _ours(self, fullname: str) -> str | None:
        package, dot, rest = fullname.partition(".")
        return self._names[package] + dot + rest if package in self._names else None
