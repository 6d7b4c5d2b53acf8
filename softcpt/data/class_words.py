"""Turns folder names into words, and lists names in a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence


def words(name: str) -> str:
    """Folder names as lower-case words: "BaseballField", "baseball_field", "Baseball-Field" are
    "baseball field"."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return " ".join(re.split(r"[\s_\-]+", apart.strip())).lower()


def quoted(names: Sequence[str], most: int = 5) -> str:
    """Some names in a sentence: 'a', 'b' and 3 more."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
