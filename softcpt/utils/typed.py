"""Reads a mapping (of a yaml file, or of keywords) into a dataclass by its fields' types."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, field, fields
from numbers import Integral, Real
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from softcpt.errors import UserError
from softcpt.utils.kinds import in_short
from softcpt.utils.suggest import near_and_all

Read = TypeVar("Read")
# A field's own way to be read: from the value and the words that say where it stands.
Reader = Callable[[Any, str], Any]


def read_by(reader: Reader, **of_field: Any) -> Any:
    """A dataclass field whose values ``reader`` reads, as ``field(**of_field)`` otherwise."""
    return field(metadata={"reader": reader}, **of_field)


def read_mapping(kind: type[Read], tree: Any, place: str, **given: Any) -> Read:
    """A dataclass from a mapping of its fields' names to values.

    Args:
        kind: the dataclass.
        tree: the mapping.
        place: where the mapping stands, in words, for messages.
        given: fields that the mapping must not name, with their values.

    Raises:
        UserError: it is no mapping, names an unknown field, lacks one, or a value has another type
            than its field.
    """
    if not isinstance(tree, Mapping):
        raise UserError(f"{place}: a mapping of keys is needed, as in {{shots: [1, 2, 4]}}")
    known: dict[str, Field[Any]] = {
        entry.name: entry
        for entry in fields(kind)  # type: ignore[arg-type]  # `kind` is a dataclass
        if entry.name not in given
    }
    hints = get_type_hints(kind)
    values = dict(given)
    for key, value in tree.items():
        name = str(key)
        if name not in known:
            raise UserError(f"{place}: unknown key '{name}'; {near_and_all(name, known)}")
        reader: Reader | None = known[name].metadata.get("reader")
        where = f"{place}: {name}"
        values[name] = reader(value, where) if reader else as_type(hints[name], value, where)
    missing = [
        name
        for name, entry in known.items()
        if name not in values and entry.default is entry.default_factory is MISSING and entry.init
    ]
    if missing:
        raise UserError(f"{place}: it has no {' and no '.join(missing)}; add what is missing")
    return kind(**values)


def as_type(hint: Any, value: Any, place: str) -> Any:
    """``value`` as the type ``hint``: an int will do for a float or a name, one item for a tuple.

    Raises:
        UserError: it is of another type.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType) and type(None) in inner:
        (other,) = (part for part in inner if part is not type(None))
        return None if value is None else as_type(other, value, place)
    if origin is tuple:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(as_type(inner[0], item, place) for item in items)
    if hint is str and value is None:  # yaml's "key:" with nothing behind it
        return ""
    if hint is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # DATASET.NAME 101 is a name; yaml's numbers know how they are written
    number = not isinstance(value, bool)  # which Python counts among the integers
    if hint is int and isinstance(value, Integral) and number:  # numpy's, too
        return int(value)
    if hint is float and isinstance(value, Real) and number:
        with suppress(OverflowError):  # of whole numbers of 309 digits and more
            return float(value)
    if not isinstance(value, hint) or (hint is int and not number):
        several = ", or a list where several can be meant" if isinstance(value, list) else ""
        raise UserError(
            f"{place} is {in_short(value)}; its type is {hint.__name__}: give one{several}"
        )
    return value
