"""Makes ``import dassl`` work: by an installed Dassl, repaired, or by the built-in engine.

Call ``activate()`` before the first ``import dassl``; in a program that starts worker processes by
spawning, at the top level of the main file, so that the workers do so, too. Importing this module
costs nothing; without an installed Dassl neither does ``activate()``.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

_BUILTIN = Path(__file__).resolve().parent / "builtin"


@dataclass(frozen=True)
class _Engine:
    name: str
    reason: str


def activate() -> None:
    """Make ``import dassl`` work. Repeated calls do nothing.

    An installed Dassl is imported and repaired; nothing on disk is changed. Otherwise the built-in
    engine's folder goes to the end of ``sys.path``. Raises UserError when a Dassl is installed but
    cannot be imported.
    """
    _activated()


def engine() -> str:
    """Who answers to ``import dassl``.

    Returns:
        "dassl 0.6.3 (repaired)", "dassl 1.0" when nothing was broken, or "built-in".

    Raises:
        UserError: a Dassl is installed and cannot be imported.

    Example:
        >>> softcpt.engine().split()[0] in ("built-in", "dassl")
        True
    """
    return _activated().name


def engine_reason() -> str:
    """Why ``engine()`` is what it is, in one line: where Dassl was found and what was repaired, or
    that there is none."""
    return _activated().reason


def wrote(registered: object) -> bool:
    """Whether what is registered comes with Dassl itself."""
    return str(getattr(registered, "__module__", "")).partition(".")[0] == "dassl"


@functools.cache
def _activated() -> _Engine:
    installed = _installed()
    if installed is None:
        if str(_BUILTIN) not in sys.path:
            sys.path.append(str(_BUILTIN))
        return _Engine(
            "built-in",
            f"no dassl is installed for {sys.executable}; the built-in engine at {_BUILTIN} "
            "answers",
        )
    from softcpt.dassl.repairs import import_and_repair

    version, repaired = import_and_repair(installed)
    if not repaired:
        return _Engine(f"dassl {version}", f"found at {installed}; nothing needed repair")
    return _Engine(
        f"dassl {version} (repaired)",
        f"found at {installed}; repaired in memory: {', '.join(repaired)}",
    )


def _installed() -> Path | None:
    """Folder of an importable Dassl that is not ours."""
    spec = importlib.util.find_spec("dassl")
    # Without an origin it is any folder of that name on the path, not a package.
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).resolve().parent
    return None if folder == _BUILTIN / "dassl" else folder
