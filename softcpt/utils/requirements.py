"""What to do about packages that are not installed. Needs none of them itself."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

# Module -> package, of the requirements in pyproject.toml; tests compare them.
REQUIRED = {
    "torch": "torch",
    "torchvision": "torchvision",
    "open_clip": "open_clip_torch",
    "timm": "timm",
    "safetensors": "safetensors",
    "numpy": "numpy",
    "PIL": "pillow",
    "yacs": "yacs",
    "yaml": "PyYAML",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "tabulate": "tabulate",
    "tqdm": "tqdm",
    "filelock": "filelock",
    "gdown": "gdown",
}
OLDEST_PYTHON = (3, 10)
NO_MATPLOTLIB = "matplotlib is not installed; pip install matplotlib"


def is_installed(module: str) -> bool:
    """Whether ``module``, without dots, can be found; it is not imported."""
    return importlib.util.find_spec(module) is not None


@contextmanager
def explained(debug: bool = False) -> Iterator[None]:
    """End with one line and status 1 where this Python is too old, or lacks a requirement that is
    imported inside; ``debug`` lets the traceback through."""
    if sys.version_info[:2] < OLDEST_PYTHON:
        sys.exit(f"error: {_too_old()}")
    try:
        yield
    except ModuleNotFoundError as error:
        if debug or (error.name or "").partition(".")[0] not in REQUIRED:
            raise
        sys.exit(f"error: {_not_installed()}")


def _too_old() -> str:
    found, needed = (".".join(map(str, v)) for v in (sys.version_info[:2], OLDEST_PYTHON))
    text = f"{sys.executable} is Python {found}; use Python {needed} or newer"
    return "; ".join(filter(None, [text, _activate()]))


def _not_installed() -> str:
    missing = [package for module, package in REQUIRED.items() if not is_installed(module)]
    root = _checkout()
    target = f"-e {quote(str(root))}" if root else " ".join(missing)
    remedy = _activate() or f"{sys.executable} -m pip install {target}"
    few = missing if len(missing) <= 4 else [*missing[:3], f"{len(missing) - 3} more packages"]
    listed = " and ".join(filter(None, [", ".join(few[:-1]), few[-1]]))
    are = "is" if len(missing) == 1 else "are"
    return f"{listed} {are} not installed for {sys.executable}; {remedy}"


def _activate() -> str:
    """How to get to the checkout's own environment; "": it has none, or this is it."""
    root = _checkout()
    if root is None or not (root / ".venv/bin/python").exists():
        return ""
    if Path(sys.prefix).resolve() == (root / ".venv").resolve():
        return ""
    script = quote(str(root / ".venv/bin/activate"))
    return f"activate the environment that is there: source {script}"


def _checkout() -> Path | None:
    """The folder with train.py that this file is in; None: the package is installed."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "train.py").is_file() else None
