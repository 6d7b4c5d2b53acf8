"""Finds trainers, data sets and configs, and imports the files of the first two.

In a checkout they are the top-level folders ``trainers/``, ``datasets/`` and ``configs/``, and
their modules are imported under these names, as all CoOp-family code does. In an installed package
the same folders travel as ``softcpt.trainers`` and so on, so that no top-level ``datasets`` stands
before Hugging Face's; so they are called in a checkout, too, where ``import datasets`` finds that
one.

Files of others are found in the folders ``trainers/`` and ``datasets/`` of the current folder and
of each in ``$SOFTCPT_PLUGINS`` (``--plugins FOLDER`` adds one), and by entry points of the groups
``softcpt.trainers`` and ``softcpt.datasets``. They are imported as parts of the same packages, so
that ``from .oxford_pets import OxfordPets`` works from anywhere, and as their own code base
imports them (softcpt/utils/code_base.py). What they register under a name that is taken goes by a
second one, ``TaskRes@taskres`` (of taskres.py).
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from softcpt import dassl
from softcpt.errors import UserError, named_reason_of
from softcpt.utils.code_base import imported_from, taken_packages

_log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).resolve().parent
KINDS = ("trainers", "datasets")
FOLDERS = "SOFTCPT_PLUGINS"  # variable of the environment, so that started processes have it too

# What was left out, each said once: path, or name of an entry point -> why.
_failed: dict[str, str] = {}
_shadowed: set[Path] = set()


def checkout() -> Path | None:
    """The checkout this package runs from, or None when it is installed."""
    root = _PACKAGE.parent
    return root if (root / "train.py").is_file() and (root / "trainers").is_dir() else None


def folder(kind: str) -> Path:
    """Where the project's ``trainers``, ``datasets`` or ``configs`` are."""
    return (checkout() or _PACKAGE) / kind


def config_path(path: Path) -> Path:
    """``path``, but of the project's own configs where it begins with ``configs/datasets/`` or
    another of their folders that the current folder does not have: commands of the documentation
    then work in any folder."""
    parts = path.parts
    if len(parts) < 3 or parts[0] != "configs" or Path(*parts[:2]).is_dir():
        return path
    own = folder("configs").joinpath(*parts[1:])
    return own if (folder("configs") / parts[1]).is_dir() else path


def config_names(kind: str) -> dict[str, Path]:
    """Name -> file of the project's own ``configs/<kind>``."""
    return {file.stem: file for file in sorted((folder("configs") / kind).glob("*.yaml"))}


def without_flag(argv: Sequence[str]) -> list[str]:
    """The words of a command line without ``--plugins FOLDER``, which is put into
    ``$SOFTCPT_PLUGINS``: files there may add flags, so it counts before flags are read."""
    left: list[str] = []
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if name != "--plugins":
            left.append(word)
            continue
        given = value if equals else next(words, "")
        if not given:
            return [*left, word]  # the parser says what is missing
        paths = [os.path.abspath(os.path.expanduser(part)) for part in given.split(os.pathsep)]
        before = os.environ.get(FOLDERS, "").split(os.pathsep)
        os.environ[FOLDERS] = os.pathsep.join(filter(None, dict.fromkeys([*before, *paths])))
    return left


def folders_of_others(kind: str) -> list[Path]:
    """The folders beside the project's own with files of ``kind``, in the order of their search.

    Raises:
        UserError: one of ``$SOFTCPT_PLUGINS`` is no folder.
    """
    bases = [Path.cwd()]
    for given in filter(None, os.environ.get(FOLDERS, "").split(os.pathsep)):
        base = Path(given).expanduser().absolute()
        if not base.is_dir():
            raise UserError(
                f"--plugins {base} ({FOLDERS}): no such folder; give one with trainers/, "
                "datasets/, or both in it"
            )
        bases.append(base)
    own = folder(kind).resolve()
    found = [base / kind for base in bases if (base / kind).is_dir()]
    return [place for place in dict.fromkeys(found) if place.resolve() != own]


def has_others(kind: str) -> bool:
    """Whether others have files of ``kind`` here, which is found out without importing any.

    Raises:
        UserError: as :func:`folders_of_others`.
    """
    files = [file for place in folders_of_others(kind) for file in place.glob("*.py")]
    return bool(files or metadata.entry_points(group=f"softcpt.{kind}"))


def origin(registered: type) -> str:
    """Who wrote a registered class: "softcpt", "dassl" (an installed one), or "other"."""
    module = registered.__module__
    if dassl.wrote(registered):
        return "dassl"
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    ours = [folder(kind).resolve() for kind in KINDS]
    return "softcpt" if Path(file).resolve().parent in ours else "other"


def load(kind: str) -> dict[str, ModuleType]:
    """Import every file of ``trainers`` or ``datasets`` so that it registers itself; returns the
    modules by file name.

    A file that cannot be imported must not take the others with it: it is named on stderr and left
    out; :func:`why_missing` knows of it.

    Raises:
        UserError: a folder that was given is not there.
    """
    dassl.activate()
    modules: dict[str, ModuleType] = {}
    _load_folder(folder(kind), kind, modules)
    others = {other: folders_of_others(other) for other in KINDS}
    for other, places in others.items():
        package = _package(other)
        # Hugging Face's package may have taken the name since (softcpt.data.huggingface).
        for one in (package, sys.modules[package.__name__]):
            here = [str(place) for place in (folder(other), *places)]
            one.__path__ += [place for place in here if place not in one.__path__]
    for place in others[kind]:
        names = {
            other: _package(other).__name__ for other in KINDS if (place.parent / other).is_dir()
        }
        with imported_from(place.parent, names):
            _load_folder(place, kind, modules, _second_name)
        _look_at_packages(place.parent)
    for entry in metadata.entry_points(group=f"softcpt.{kind}"):
        if entry.name not in modules and entry.value not in _failed:
            with _left_out_if_it_fails(entry.value):
                entry.load()
                modules[entry.name] = sys.modules[entry.module]
    return modules


def why_missing(kind: str, name: str) -> str:
    """Why the trainer or data set ``name`` is not registered, where a file that would register it
    cannot be imported; "": no such file is known."""
    load(kind)
    for place, reason in _failed.items():
        path = Path(place)
        if path.parent.name == kind and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if path.stem.lower() == name.lower() or re.search(rf"\b{re.escape(name)}\b", text):
                return (
                    f"{path} cannot be imported ({reason}); fix the file, or install what it needs"
                )
    return ""


def _load_folder(
    place: Path,
    kind: str,
    modules: dict[str, ModuleType],
    around: Callable[[Path], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> None:
    """Import the files in ``place``, each inside ``around(path)``, as modules of the package of
    ``kind``, and add them to ``modules``."""
    package = _package(kind).__name__
    again = []
    for path in sorted(place.glob("*.py")):
        if path.stem == "__init__" or str(path) in _failed:
            continue
        if path.stem in modules:
            again.append(path.name)
            continue
        with _left_out_if_it_fails(str(path)), around(path):
            modules[path.stem] = importlib.import_module(f"{package}.{path.stem}")
    if again and place not in _shadowed:
        _shadowed.add(place)
        _log.info(
            f"{place}: left out, since there are others of these names: {', '.join(again)} (give "
            "yours a name of its own)"
        )


@contextmanager
def _second_name(path: Path) -> Iterator[None]:
    """What is registered inside under a name that is taken goes by that of its file, too."""
    from dassl.data.datasets import DATASET_REGISTRY
    from dassl.engine import TRAINER_REGISTRY

    def watch(registry: Any) -> None:
        register = registry._do_register

        def under_a_free_name(name: str, obj: Any, force: bool = False) -> None:
            known = registry.get(name) if name in registry.registered_names() else None
            if known is not None and not force and not dassl.wrote(known):
                second = f"{name}@{path.stem}"
                _log.info(f"{path}: {name} is there already; this one is called {second}")
                name = second
            register(name, obj, force=force)

        registry._do_register = under_a_free_name

    registries = (TRAINER_REGISTRY, DATASET_REGISTRY)
    for registry in registries:
        watch(registry)
    try:
        yield
    finally:
        for registry in registries:
            del registry._do_register


def _look_at_packages(base: Path) -> None:
    """Print which packages of ``base`` its files did not get, since others have their names."""
    for name, place in taken_packages(base).items():
        if name not in KINDS and base / name not in _shadowed:
            _shadowed.add(base / name)
            _log.warning(
                f"{base / name}: not used, since the package {name} at {place} was imported "
                "before; give one code base at a time"
            )


@contextmanager
def _left_out_if_it_fails(place: str) -> Iterator[None]:
    """What is raised inside is printed once and remembered of ``place``."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  A user's file may raise anything.
        _failed[place] = named_reason_of(error)
        _log.warning(f"{place}: left out, importing it failed ({_failed[place]})")


def _huggingface_is_found() -> bool:
    """Whether ``import datasets`` would import Hugging Face's package, or has done so."""
    loaded = sys.modules.get("datasets")
    spec = None if loaded else importlib.util.find_spec("datasets")
    file = getattr(loaded, "__file__", None) if loaded else spec and spec.origin
    return bool(file) and Path(str(file)).with_name("arrow_dataset.py").is_file()


@functools.cache
def _package(kind: str) -> ModuleType:
    """The package whose parts all files of ``kind`` are."""
    root = checkout()
    if root is None:
        return importlib.import_module(f"softcpt.{kind}")
    others = _huggingface_is_found()
    if str(root) not in sys.path:
        # Behind Hugging Face's, which a user of the library may import later.
        sys.path.insert(len(sys.path) if others else 0, str(root))
    if not (others and kind == "datasets"):
        loaded = importlib.import_module(kind)
        if Path(loaded.__file__ or "").parent == root / kind:
            return loaded
    # The name is another's: ours go by their longer one.
    parent = importlib.import_module("softcpt")
    if str(root) not in parent.__path__:
        parent.__path__.append(str(root))
    return importlib.import_module(f"softcpt.{kind}")
