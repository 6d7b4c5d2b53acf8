"""What is known of a data set before anything of it is on disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from softcpt.data.base import TaskDataset
from softcpt.data.catalog import CatalogEntry, catalogue, expand, expected_images
from softcpt.data.inventory import take
from softcpt.data.multitask import MultiTaskDataset
from softcpt.data.source import Source


class Facts(NamedTuple):
    """What is known of a data set; None or "" for what is not."""

    tasks: int | None
    classes: int | None
    images: int | None
    licence: str
    origin: str


def facts(entry: CatalogEntry) -> Facts:
    """What the class of ``entry`` states; of an embedded data set, what it holds."""
    kind: Any = entry.kind
    if issubclass(kind, MultiTaskDataset):
        members = [facts(member) for member in expand(entry.name, entry.root, catalogue())]
        counts = (
            _sum(getattr(member, key) for member in members)
            for key in ("tasks", "classes", "images")
        )
        return Facts(*counts, "of its members", "merges " + ", ".join(kind.members))
    if entry.embedded:
        held = take(entry)
        tasks, classes = (len(held.tasks), held.tasks.num_classes) if held.tasks else (None, None)
        return Facts(
            tasks,
            classes,
            len(held.images) or None,
            getattr(kind, "licence", ""),
            "comes with softcpt",
        )
    if not issubclass(kind, TaskDataset):
        return Facts(None, None, None, "", f"a class of yours, {kind.__module__}")
    return Facts(
        getattr(kind, "num_tasks", 1),
        kind.num_classes or None,
        expected_images(kind),
        kind.licence,
        ", ".join(dict.fromkeys(map(_host, kind.sources))),
    )


def _host(source: Source) -> str:
    if source.kind in ("gdrive", "kaggle"):
        return {"gdrive": "Google Drive", "kaggle": "Kaggle"}[source.kind]
    host = (urlsplit(source.url).hostname or source.url).removeprefix("www.")
    return f"{host} (by hand)" if source.kind == "manual" else host


def _sum(counts: Iterable[int | None]) -> int | None:
    counts = list(counts)
    return None if None in counts else sum(counts)
