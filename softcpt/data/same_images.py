"""Finds images that are trained on and tested on: the same file, or another with the same bytes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping

from softcpt.data.datum import Datum, all_labels
from softcpt.tasks import TaskSet

_log = logging.getLogger(__name__)

_HEAD = 1 << 14
_BLOCK = 1 << 20


def shared_images(train: Iterable[str], test: Iterable[str]) -> list[tuple[str, str]]:
    """(training image, test image) for each test image that is among the training images.

    Only files of the same size are opened, and only those with the same beginning are read whole.
    Files that cannot be read are left to whoever decodes them.
    """
    by_size: dict[int, dict[str, None]] = {}
    for path in train:
        by_size.setdefault(_size(path), {})[path] = None
    found = []
    for path in dict.fromkeys(test):
        size = _size(path)
        same = (one for one in by_size.get(size, ()) if size > 0 and _same_bytes(one, path))
        first = next(same, None)
        if first is not None:
            found.append((first, path))
    return found


def files_of_task(tasks: TaskSet, index: int, items: Iterable[Datum]) -> list[str]:
    """The files of the images that have a label of one of ``tasks``."""
    columns = tasks.columns(index)
    return [
        item.impath
        for item in items
        if any(columns.start <= label < columns.stop for label in all_labels(item))
    ]


def print_tested_elsewhere(called: str, tasks: TaskSet, parts: Mapping[str, list[Datum]]) -> None:
    """Print how many images are trained on for a task and tested on for another: what tasks share
    learns from them.

    Paths alone are compared, as these may be the images of many data sets.

    Args:
        called: the data, for the message.
        tasks: of the data.
        parts: its images, "train" and "test" among them.
    """
    trained: dict[str, set[int]] = {}
    for item in parts["train"]:
        trained.setdefault(item.impath, set()).update(_tasks_of(item, tasks))
    found: dict[str, tuple[int, int]] = {}
    for item in parts["test"]:
        before = trained.get(item.impath)
        if before is None:
            continue
        for task in _tasks_of(item, tasks):
            others = before - {task}
            if others:
                found[item.impath] = (min(others), task)
    if found:
        path, (first, second) = next(iter(found.items()))
        _log.warning(
            f"{called}: {len(found):,} test images are trained on for another task ({path}: for "
            f"'{tasks[first].name}', and tested on for '{tasks[second].name}'); give an image the "
            "same part in all tasks"
        )


def _tasks_of(item: Datum, tasks: TaskSet) -> set[int]:
    return {tasks.to_local(label)[0] for label in all_labels(item)}


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _same_bytes(one: str, other: str) -> bool:
    if one == other:
        return True
    if not (os.path.isfile(one) and os.path.isfile(other)):  # a pipe would be waited for
        return False
    try:
        with open(one, "rb") as first, open(other, "rb") as second:
            size = _HEAD
            while (block := first.read(size)) == second.read(size):
                if not block:
                    return True
                size = _BLOCK
    except OSError:
        return False
    return False
