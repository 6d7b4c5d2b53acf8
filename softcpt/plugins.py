"""Where trainers, data sets and configs are; imports every file of the first two.

In a checkout they are the top-level folders ``trainers/``, ``datasets/`` and ``configs/``, and
their modules are imported under these names, as all CoOp-family code does. In an installed package
the same folders travel as ``softcpt.trainers`` and so on, so that no top-level ``datasets`` stands
before Hugging Face's.
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path
from types import ModuleType

from softcpt import dassl
from softcpt.errors import UserError

_log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).resolve().parent


def checkout() -> Path | None:
    """The checkout this package runs from, or None when it is installed."""
    root = _PACKAGE.parent
    return root if (root / "train.py").is_file() and (root / "trainers").is_dir() else None


def folder(kind: str) -> Path:
    """Where ``trainers``, ``datasets`` or ``configs`` are."""
    return (checkout() or _PACKAGE) / kind


def load(kind: str) -> dict[str, ModuleType]:
    """Import every file of ``trainers`` or ``datasets`` so that it registers itself; returns the
    modules by file name.

    A file that cannot be imported must not take the others with it: it is named on stderr and left
        out.
    """
    dassl.activate()
    package = _package(kind)
    modules = {}
    for path in sorted(folder(kind).glob("*.py")):
        if path.stem == "__init__":
            continue
        try:
            modules[path.stem] = importlib.import_module(f"{package}.{path.stem}")
        except Exception as error:  # whatever a dropped-in file may raise
            _log.warning(f"{path}: left out, importing it failed ({type(error).__name__}: {error})")
    return modules


def _package(kind: str) -> str:
    root = checkout()
    if root is None:
        return f"softcpt.{kind}"
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    loaded = importlib.import_module(kind)
    if Path(loaded.__file__ or "").parent != root / kind:
        raise UserError(
            f"package '{kind}': {loaded.__file__} is imported already, and {root / kind} is "
            "needed; "
            f"start from the checkout with `python train.py`, or install softcpt"
        )
    return kind
