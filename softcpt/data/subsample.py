"""Keeps a part of a set of tasks: its base or new classes, its base or new tasks, one task, or all
but one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from softcpt.data.datum import Datum, ImageDatum, all_labels
from softcpt.errors import UserError
from softcpt.tasks import TaskSet

Parts = dict[str, list[Datum]]


def subsample(
    tasks: TaskSet, parts: Parts, which_classes: str = "all", which_tasks: str = "all"
) -> tuple[TaskSet, Parts]:
    """``DATASET.SUBSAMPLE_TASKS`` and ``DATASET.SUBSAMPLE_CLASSES`` of all images, renumbered.

    Args:
        tasks: the tasks that the images' labels count.
        parts: images by part; ``label`` is a global class index.
        which_classes: "all"; "base": the first half of each task's classes, larger if odd (CoCoOp);
            "new": the rest.
        which_tasks: "all"; "base"/"new": the same of the tasks (SoftCPT); "task<i>": one task,
            counted from 0, or several with commas between them; "all-but-task<i>": the others.

    Raises:
        UserError: another word, a task that is not there, or nothing left.
    """
    if which_classes == which_tasks == "all":
        return tasks, parts
    chosen = _chosen_tasks(len(tasks), which_tasks)
    kept: list[Sequence[int]] = []
    reduced_tasks = []
    for number in chosen:
        task = tasks[number]
        key = f"DATASET.SUBSAMPLE_CLASSES of task '{task.name}'"
        labels = _half(range(tasks.sizes[number]), which_classes, key)
        names = tuple(task.class_names[label] for label in labels)
        kept.append(labels)
        reduced_tasks.append(task.with_classes(names))
    reduced = TaskSet(reduced_tasks)
    places: dict[int, tuple[int, int]] = {}  # by old global class index
    for index, (number, labels) in enumerate(zip(chosen, kept)):
        for new, label in enumerate(labels):
            places[tasks.to_global(number, label)] = index, reduced.to_global(index, new)
    return reduced, {
        part: list(_renumbered(items, places, reduced)) for part, items in parts.items()
    }


def _renumbered(
    items: Iterable[Datum], places: Mapping[int, tuple[int, int]], tasks: TaskSet
) -> Iterator[ImageDatum]:
    """The records with those of their classes that ``places`` has, as (task, global class index);
    those with none of them are left out."""
    for item in items:
        kept = [places[label] for label in all_labels(item) if label in places]
        if kept:
            (task, label), *others = kept
            name = tasks.class_names[label]
            yield ImageDatum(item.impath, label, task, name, [other for _, other in others])


def _chosen_tasks(count: int, which: str) -> Sequence[int]:
    named = re.fullmatch(r"(all-but-)?task[0-9]+(,task[0-9]+)*", which.replace(" ", ""))
    if named is None:
        return _half(
            range(count),
            which,
            "DATASET.SUBSAMPLE_TASKS",
            "task<i>",
            "task<i>,task<j>",
            "all-but-task<i>",
        )
    numbers = {int(number) for number in re.findall("[0-9]+", which)}
    if max(numbers) >= count:
        prefix = named[1] or ""
        known = f"there are {count} tasks; {prefix}task0 to {prefix}task{count - 1} can be given"
        raise UserError(f"DATASET.SUBSAMPLE_TASKS {which}: {known}")
    chosen = [task for task in range(count) if (task in numbers) != bool(named[1])]
    if not chosen:
        raise UserError(f"DATASET.SUBSAMPLE_TASKS {which}: it leaves no task; give task0 or all")
    return chosen


def _half(numbers: range, which: str, key: str, *more: str) -> Sequence[int]:
    middle = math.ceil(len(numbers) / 2)
    halves = {"all": numbers, "base": numbers[:middle], "new": numbers[middle:]}
    if which not in halves:
        raise UserError(f"{key}: unknown choice '{which}'; give {', '.join([*halves, *more])}")
    if not halves[which]:
        raise UserError(f"{key}: '{which}' leaves nothing of {len(numbers)}; give all or base")
    return halves[which]
