"""Finds the images of a split on disk, and says which are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from softcpt.data.datum import ImageDatum
from softcpt.data.draw_files import Drawn
from softcpt.tasks import TaskSet


def located(
    wanted: Iterable[str], places: Callable[[Sequence[str]], list[str | None]]
) -> tuple[dict[str, str], list[str]]:
    """Path on disk of each of the ``wanted`` paths, and those that are nowhere; both sorted.

    Args:
        wanted: paths below the image folder.
        places: where each of some paths is; None: nowhere.
    """
    ordered = sorted(wanted)
    found: dict[str, str] = {}
    missing: list[str] = []
    for path, place in zip(ordered, places(ordered)):
        if place is None:
            missing.append(path)
        else:
            found[path] = place
    return found, missing


def described_missing(missing: Sequence[str], wanted: int, source: str, folder: Path) -> str:
    """That images of the split ``source``, so many of all that are ``wanted``, are not in
    ``folder``."""
    where = str(folder) if folder.is_dir() else f"{folder} (there is no such folder)"
    return (
        f"{len(missing):,} of {wanted:,} images of {source} are not in {where}, the first is "
        f"{missing[0]}"
    )


def records(parts: Drawn, tasks: TaskSet, paths: Mapping[str, str]) -> dict[str, list[ImageDatum]]:
    """Dassl's records of those images in ``parts`` that have one of ``paths``."""
    return {
        part: [
            ImageDatum(
                paths[item.path],
                tasks.to_global(item.task, item.label),
                item.task,
                tasks[item.task].class_names[item.label],
                [tasks.to_global(item.task, label) for label in item.others],
            )
            for item in items
            if item.path in paths
        ]
        for part, items in parts.items()
    }


def joined(
    parts: Mapping[str, Sequence[ImageDatum]], tasks: TaskSet
) -> dict[str, list[ImageDatum]]:
    """One record for each image of a part, with the labels of all of its own, task by task, where
    the first of them stood."""
    return {part: list(_joined(items, tasks)) for part, items in parts.items()}


def _joined(items: Sequence[ImageDatum], tasks: TaskSet) -> Iterator[ImageDatum]:
    of_image: dict[str, list[int]] = {}
    for item in items:
        own = of_image.setdefault(item.impath, [])
        own.extend(label for label in item.labels if label not in own)
    for path, labels in of_image.items():
        # Tasks in order; the first of an image's classes of a task stays the first.
        first, *others = sorted(labels, key=lambda label: tasks.to_local(label)[0])
        yield ImageDatum(path, first, tasks.to_local(first)[0], tasks.class_names[first], others)
