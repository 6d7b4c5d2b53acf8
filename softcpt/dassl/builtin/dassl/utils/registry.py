"""Names to classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Registry:
    """A table of classes or functions under their ``__name__``.

    Use ``@REGISTRY.register()`` above a definition, or ``REGISTRY.register(thing)``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._things: dict[str, Any] = {}

    def register(self, obj: Any = None, force: bool = False) -> Callable[[Any], Any] | None:
        """Enter ``obj``, or return a decorator that does. Raises KeyError on a taken name unless
        ``force``."""
        if obj is None:
            return lambda thing: self._add(thing, force)
        self._add(obj, force)
        return None

    def _add(self, thing: Any, force: bool) -> Any:
        self._do_register(thing.__name__, thing, force=force)
        return thing

    def _do_register(self, name: str, obj: Any, force: bool = False) -> None:
        # Dassl's name: softcpt.plugins stands in for it while files of others are imported.
        if name in self._things and not force:
            raise KeyError(
                f"{self._name} registry: {name!r} is registered already; rename it or pass "
                "force=True"
            )
        self._things[name] = obj

    def get(self, name: str) -> Any:
        """The thing called ``name``. Raises KeyError when there is none."""
        if name not in self._things:
            raise KeyError(
                f"{self._name} registry: no {name!r}; registered are {sorted(self._things)}"
            )
        return self._things[name]

    def registered_names(self) -> list[str]:
        """All names, in order of registration."""
        return list(self._things)
