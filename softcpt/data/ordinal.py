"""Which tasks are ordinal, and the number that each of their classes stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet, number
from softcpt.utils.suggest import near_and_all


def with_values(tasks: TaskSet, entries: Iterable[str]) -> TaskSet:
    """The tasks, those that ``entries`` name as ordinal ones.

    Args:
        tasks: all of them.
        entries: ``DATASET.ORDINAL``: "age", whose classes are numbers; or "age=child<teen<adult",
            the order of all classes, which stand for their ranks 0, 1, 2; some may be left out of
            the run (``DATASET.SUBSAMPLE_CLASSES``).

    Raises:
        UserError: there is no such task, its classes are no numbers, or the order lacks one of
            them.
    """
    found = list(tasks)
    for entry in entries:
        name, ordered, order = entry.partition("=")
        called = name.strip().replace("_", " ")
        known = [task.name.replace("_", " ") for task in tasks]
        if called not in known:
            raise UserError(
                f"DATASET.ORDINAL '{entry}': no task '{called}'; "
                f"{near_and_all(called, tasks.names)}"
            )
        index = known.index(called)
        values = _ranks(found[index], order) if ordered else _numbers(found[index])
        found[index] = replace(found[index], values=values)
    return TaskSet(found)


def _numbers(task: Task) -> tuple[float, ...]:
    values = [number(name) for name in task.class_names]
    for name, value in zip(task.class_names, values):
        if value is None:
            raise UserError(
                f"DATASET.ORDINAL '{task.name}': its class '{name}' is no number; give the order "
                f"of its classes, '{task.name}={'<'.join(task.class_names[:3])}"
                f"{'<...' if len(task.class_names) > 3 else ''}'"
            )
    return tuple(value for value in values if value is not None)


def _ranks(task: Task, order: str) -> tuple[float, ...]:
    names = [name.strip() for name in order.split("<")]
    if not set(task.class_names) <= set(names) or len(set(names)) < len(names):
        raise UserError(
            f"DATASET.ORDINAL '{task.name}': the order has {', '.join(names)}, and its classes are "
            f"{', '.join(task.class_names)}; give each of these once, with < between them"
        )
    return tuple(float(names.index(name)) for name in task.class_names)
