"""Says what is known of a data set before anything of it is on disk: what ``data list`` prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from softcpt import plugins
from softcpt.data.base import TaskDataset
from softcpt.data.catalog import CatalogEntry, catalogue, expand
from softcpt.data.inventory import take_inventory
from softcpt.data.multitask import MultiTaskDataset
from softcpt.data.source import Source


class DatasetSummary(NamedTuple):
    """What is known of a data set; None or "" for what is not."""

    tasks: int | None
    classes: int | None
    images: int | None
    licence: str
    origin: str


def summary_of(entry: CatalogEntry, defaults: Any) -> DatasetSummary:
    """What the class of ``entry`` states; of an embedded data set, what it holds.

    Args:
        entry: the data set.
        defaults: the configuration with all keys at their defaults.
    """
    kind = entry.kind
    if issubclass(kind, MultiTaskDataset):
        members = expand(entry.name, entry.root, catalogue())
        known = [summary_of(member, defaults) for member in members]
        return DatasetSummary(
            _sum(one.tasks for one in known),
            _sum(one.classes for one in known),
            _sum(one.images for one in known),
            "of its members",
            "merges " + ", ".join(kind.members),
        )
    if entry.embedded:
        held = take_inventory(entry, defaults)
        return DatasetSummary(
            len(held.tasks) if held.tasks else None,
            held.tasks.num_classes if held.tasks else None,
            len(held.images) or None,
            getattr(kind, "licence", ""),
            "comes with softcpt" if plugins.origin(kind) == "softcpt" else _written_by(kind),
        )
    if not issubclass(kind, TaskDataset):
        return DatasetSummary(None, None, None, "", _written_by(kind))
    hosts = dict.fromkeys(map(_host, kind.sources))
    return DatasetSummary(
        kind.num_tasks,
        kind.num_classes or None,
        kind.expected_images(),
        kind.licence,
        ", ".join(hosts),
    )


def _written_by(kind: type) -> str:
    whose = "Dassl" if plugins.origin(kind) == "dassl" else "yours"
    return f"a class of {whose}, {kind.__module__}"


def _host(source: Source) -> str:
    if source.kind == "gdrive":
        return "Google Drive"
    if source.kind == "kaggle":
        return "Kaggle"
    host = (urlsplit(source.url).hostname or source.url).removeprefix("www.")
    return f"{host} (by hand)" if source.kind == "manual" else host


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum; None if one of them is not known."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
