"""Checks of which kinds the values of a JSON file are, and that numbers are numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# What a value must be: a type, several, or a list of one kind.
Kind = type | tuple[type, ...] | list[Any]


def wrong_value(found: Mapping[str, Any], kinds: Mapping[str, Kind]) -> str:
    """What is wrong with a mapping, in a few words; "": nothing.

    Args:
        found: from a file.
        kinds: name -> kind of its value; ``[str]`` is a list of texts. A bool is no number, and a
            float is finite.
    """
    for name, kind in kinds.items():
        if name not in found:
            return f"no {name}"
        if not is_kind(found[name], kind):
            return f"{name} is {shown(found[name])}"
    return ""


def is_kind(value: Any, kind: Kind) -> bool:
    """Whether a value is of a kind, see :func:`wrong_value`."""
    if isinstance(kind, list):
        return isinstance(value, list) and all(is_kind(item, kind[0]) for item in value)
    if isinstance(value, bool):
        return bool in (kind if isinstance(kind, tuple) else (kind,))
    return isinstance(value, kind) and not (isinstance(value, float) and not math.isfinite(value))


def shown(value: Any) -> str:
    """A value in a message, never longer than half a line."""
    return type(value).__name__ if isinstance(value, (list, dict)) else in_short(value, 50)


def in_short(value: Any, longest: int = 200) -> str:
    """The same of what a person wrote, lists and all, in so many characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else f"{text[:longest]} ..."
