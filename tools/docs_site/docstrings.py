"""Turns what docstrings say for Sphinx and ``help()`` into Markdown: an extension of griffe."""

from __future__ import annotations

import inspect
import re
from typing import Any

import griffe

import softcpt

ROLE = re.compile(r":(?:func|class|meth|mod|data|attr):`([^`]+)`")
# The first names of two functions, which the site has under their new ones.
RENAMED = {"build_prompter": "build_method", "list_prompters": "list_methods"}


class Roles(griffe.Extension):
    """``:func:`softcpt.fit` `` becomes a link, or code where the site does not have it."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring is None:
            return
        owner = obj if obj.is_class else obj.parent
        name = owner.name if owner is not None and owner.is_class else ""
        text = ROLE.sub(lambda match: linked(match[1], name), obj.docstring.value)
        text = re.sub(r"::$", ":", text, flags=re.MULTILINE)
        # griffe knows the section by this name alone.
        obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)


def linked(name: str, owner: str) -> str:
    """A cross-reference to what ``name`` means in a docstring of the class ``owner``."""
    target = _public(name) or _public(f"{owner}.{name}")
    shown = name.removeprefix("softcpt.")
    return f"[`{shown}`][softcpt.{target}]" if target else f"`{shown}`"


def _public(name: str) -> str:
    """The name as the site has it, "Prompter.loss"; "" if it has not."""
    parts = name.split(".")
    start = next((index for index, part in enumerate(parts) if part in softcpt.__all__), None)
    if start is None:
        return ""
    first, *rest = parts[start:]
    thing = getattr(softcpt, RENAMED.get(first, first))
    if not rest:
        return RENAMED.get(first, first)
    if not inspect.isclass(thing):
        return ""
    # An inherited method is described where it is defined.
    kinds = [kind for kind in thing.__mro__ if rest[0] in vars(kind)]
    known = bool(kinds) and kinds[0].__name__ in softcpt.__all__
    return ".".join([kinds[0].__name__, *rest]) if known else ""
