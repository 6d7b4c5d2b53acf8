"""Heads by name."""

from __future__ import annotations

from typing import Any

from dassl.utils import Registry

from .build import build_from

HEAD_REGISTRY = Registry("HEAD")


def build_head(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """The head ``name``. Raises ValueError on an unknown name."""
    return build_from(HEAD_REGISTRY, "head", name, verbose, **kwargs)
