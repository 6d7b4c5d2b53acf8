"""Finds data sets by name: the registered ones, merged ones as their members."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from softcpt import plugins
from softcpt.data.base import TaskDataset
from softcpt.data.dataset_names import registered_name
from softcpt.data.multitask import MultiTaskDataset
from softcpt.data.own_images import OwnDataset
from softcpt.errors import UserError
from softcpt.utils.suggest import did_you_mean


class CatalogEntry(NamedTuple):
    """A data set that is asked for.

    Attributes:
        name: its registered name; with ":folder" for one that lies in a folder of its own
            ("ImageFolder:my_flowers").
        kind: its class.
        root: the folder that it is looked for in; "" where none was given.
    """

    name: str
    kind: type[Any]
    root: str

    @property
    def embedded(self) -> bool:
        """Whether it comes with its class and lies nowhere below a root."""
        return (
            not issubclass(self.kind, TaskDataset)
            and not self.kind.dataset_dir
            and plugins.origin(self.kind) != "dassl"
        )


def catalogue() -> dict[str, type[Any]]:
    """Every registered data set by name, the files of ``datasets/`` loaded."""
    plugins.load("datasets")
    from dassl.data.datasets import DATASET_REGISTRY

    return {
        name: DATASET_REGISTRY.get(name)
        for name in sorted(DATASET_REGISTRY.registered_names(), key=str.lower)
    }


def is_published(kind: type[Any]) -> bool:
    """Whether ``kind`` is a data set, not a way to read or to merge some."""
    return not issubclass(kind, OwnDataset) and not (
        issubclass(kind, MultiTaskDataset) and not kind.members
    )


def entries(names: Sequence[str], root: str) -> list[CatalogEntry]:
    """The data sets called ``names`` (:func:`softcpt.data.dataset_names.registered_name`), merged
    ones as their members; none: all there are but those that an installed Dassl brings.

    Raises:
        UserError: there is no such data set, no folder ``root``, or none was given where one is
            needed.
    """
    known = catalogue()
    if names:
        found = []
        for name in names:
            found += expand(name, root, known)
    else:
        found = [
            CatalogEntry(name, kind, root)
            for name, kind in known.items()
            if is_published(kind) and _has_own_folder(kind) and plugins.origin(kind) != "dassl"
        ]
    outside = [entry for entry in found if not entry.embedded and not entry.root]
    if outside and issubclass(outside[0].kind, OwnDataset):
        raise UserError(
            f"{outside[0].name}: which images? Give their folder or table in its place, as in "
            "my_flowers"
        )
    if outside:
        raise UserError(
            f"--root: not given, and {outside[0].name} lies there; give the folder that holds the "
            "data sets"
        )
    return list(dict.fromkeys(found))


def expand(name: str, root: str, known: dict[str, type[Any]]) -> list[CatalogEntry]:
    """The data set called ``name``, or the members of the one that merges some; images of your own
    where there is a folder, an archive or a table of that name.

    Raises:
        UserError: there is none among those ``known``.
    """
    word, _, place = name.partition(":")
    registered = registered_name(word)
    if registered not in known and Path(name).expanduser().exists():
        own = Path(name).expanduser()
        reader = "CSV" if own.suffix.lower() == ".csv" else "ImageFolder"
        return [CatalogEntry(f"{reader}:{own.absolute().name}", known[reader], str(own))]
    if registered not in known:
        reason = plugins.why_missing("datasets", word)
        if reason:
            raise UserError(f"data set '{word}': {reason}")
        hint = did_you_mean(word, known, "`python -m softcpt data list` names all")
        hint += " (nor is there a folder)" if "/" in name else ""
        raise UserError(f"data set '{word}': there is none of this name; {hint}")
    kind = known[registered]
    if not issubclass(kind, MultiTaskDataset):
        where = str(Path(root, place)) if place else root
        return [CatalogEntry(f"{registered}:{place}" if place else registered, kind, where)]
    if not kind.members:
        raise UserError(
            f"data set {registered}: has no members of its own; name the data sets that it is to "
            "merge"
        )
    found = []
    for member in kind.members:
        found += expand(member, root, known)
    return found


def _has_own_folder(kind: type[Any]) -> bool:
    """Whether it lies in a folder that is no other data set's."""
    return not issubclass(kind, MultiTaskDataset) and getattr(kind, "own_folder", True)
