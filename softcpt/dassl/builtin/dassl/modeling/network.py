"""Networks by name."""

from __future__ import annotations

from typing import Any

from dassl.utils import Registry

from .build import build_from

NETWORK_REGISTRY = Registry("NETWORK")


def build_network(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """The network ``name``. Raises ValueError on an unknown name."""
    return build_from(NETWORK_REGISTRY, "network", name, verbose, **kwargs)
