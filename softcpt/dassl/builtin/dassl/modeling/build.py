"""What the three registries share."""

from __future__ import annotations

from typing import Any

from dassl.utils import Registry, check_availability


def build_from(registry: Registry, kind: str, name: str, verbose: bool, **kwargs: Any) -> Any:
    """The entry ``name`` of ``registry``, called with ``kwargs``. Raises ValueError on an unknown
    name."""
    check_availability(name, registry.registered_names())
    if verbose:
        print(f"{kind}: {name}")
    return registry.get(name)(**kwargs)
