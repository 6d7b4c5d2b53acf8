"""Turns folder names into words."""

from __future__ import annotations

import re


def words(name: str) -> str:
    """Folder names as lower-case words: "BaseballField", "baseball_field", "Baseball-Field" are
    "baseball field"."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return " ".join(re.split(r"[\s_\-]+", apart.strip())).lower()
