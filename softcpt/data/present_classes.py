"""Uses a part of a data set: the classes that have images on disk."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from softcpt.data.draw_files import Drawn
from softcpt.data.split import Item
from softcpt.tasks import Task, TaskSet


def classes_of(items: Iterable[Item], found: Collection[str]) -> set[tuple[int, int]]:
    """(task, label) of every class of which an image's path is among those ``found``."""
    present: set[tuple[int, int]] = set()
    for item in items:
        if item.path in found:
            present.update((item.task, label) for label in (item.label, *item.others))
    return present


def keep_classes(
    tasks: TaskSet, drawn: Drawn, present: Collection[tuple[int, int]]
) -> tuple[TaskSet, Drawn]:
    """The tasks with their ``present`` classes alone, and the images of these; a task without any
    is left out.

    Args:
        tasks: all of them.
        drawn: images by part.
        present: (task, label) of the classes that stay.
    """
    kept: list[Task] = []
    places: dict[tuple[int, int], tuple[int, int]] = {}  # (task, label) before -> after
    for index, task in enumerate(tasks):
        labels = [label for label in range(len(task.class_names)) if (index, label) in present]
        for new, label in enumerate(labels):
            places[index, label] = len(kept), new
        if labels:
            names = tuple(task.class_names[label] for label in labels)
            kept.append(task.with_classes(names))
    parts: Drawn = {}
    for part, items in drawn.items():
        parts[part] = []
        for item in items:
            own = [places.get((item.task, label)) for label in (item.label, *item.others)]
            there = [place for place in own if place is not None]
            if there:
                labels = [label for _, label in there]
                parts[part].append(Item(item.path, there[0][0], labels[0], tuple(labels[1:])))
    return TaskSet(kept), parts
