"""A trained prompt on other tasks or classes: which tensors serve them, and what has to be refused.

* Tensors of no task and no class serve everything: contexts shared by all tasks, networks that make
  contexts.
* What belongs to a task is taken by the task's name, what belongs to a class by the names of task
  and class.
* A prompt that was trained on one task alone serves every task, as CoOp's does for ImageNet's
  variants.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet

_LEARNER = re.compile(r"\.learners\.(\d+)\.")


def tensors_for_tasks(
    state: Mapping[str, Tensor], trained: TaskSet, wanted: TaskSet, rows: Mapping[str, str]
) -> dict[str, Tensor]:
    """The tensors of a prompter for ``wanted``, from those of one of the same method and options
    for ``trained``.

    Args:
        state: tensors by name. One that belongs to a single task is
            "<module>.learners.<task>.<tensor>", or "<module>.<tensor>" in a prompter of one task.
        trained: the tasks of ``state``.
        wanted: other tasks, or the same tasks with other classes.
        rows: every tensor of the prompter for ``wanted``, and what its first dimension counts:
            "task", "class" or "".

    Returns:
        What could be found, and the tensors of ``state`` that ``rows`` has none like: gaps and
        unknown ones are for the caller to refuse.

    Raises:
        UserError: a task or class has no tensor of its own.
    """
    if _contents(trained) == _contents(wanted):
        return dict(state)
    tensors = {_place(name): tensor for name, tensor in state.items()}
    found = {}
    for name, counted in rows.items():
        base, own = _place(name)
        chosen = range(len(wanted)) if own is None else [own]
        if (base, None) in tensors:
            found[name] = _pick(tensors[base, None], counted, trained, wanted, chosen)
        elif len(chosen) == 1 and any(base == other for other, _ in tensors):
            origin = origin_of(trained, wanted[chosen[0]])
            found[name] = _pick(
                tensors[base, origin], counted, TaskSet([trained[origin]]), wanted, chosen
            )
    known = {_place(name)[0] for name in rows}
    return found | {name: tensor for name, tensor in state.items() if _place(name)[0] not in known}


def _contents(tasks: TaskSet) -> list[tuple[str, tuple[str, ...]]]:
    return [(task.name, task.class_names) for task in tasks]


def task_of(name: str) -> int | None:
    """The task that the tensor ``name`` is of alone; None: it is of several."""
    return _place(name)[1]


def _place(name: str) -> tuple[str, int | None]:
    """A tensor's name without the number of its learner, and that number."""
    match = _LEARNER.search(name)
    return _LEARNER.sub(".", name), int(match[1]) if match else None


def _pick(
    tensor: Tensor, counted: str, trained: TaskSet, wanted: TaskSet, chosen: Sequence[int]
) -> Tensor:
    """The rows of the ``chosen`` tasks of ``wanted``, or of their classes."""
    if not counted:
        return tensor
    origins = [(task, origin_of(trained, wanted[task])) for task in chosen]
    if counted == "task":
        return tensor[torch.tensor([origin for _, origin in origins])]
    return tensor[
        torch.tensor(
            [
                trained.to_global(origin, label)
                for task, origin in origins
                for label in _labels(trained[origin], wanted[task])
            ]
        )
    ]


def origin_of(trained: TaskSet, task: Task) -> int:
    """The trained task that serves ``task``: a lone one, or the one of its name.

    Raises:
        UserError: there is none.
    """
    if len(trained) == 1:
        return 0
    if task.name not in trained.names:
        names = ", ".join(trained.names[:5]) + (", ..." if len(trained) > 5 else "")
        raise UserError(
            f"task '{task.name}': what was trained has parts for each of its tasks ({names}) and "
            "none for "
            "this one; test on those, or train a method that makes contexts from task names "
            "(SoftCPT)"
        )
    return trained.names.index(task.name)


def _labels(trained: Task, wanted: Task) -> list[int]:
    """Where the classes of ``wanted`` stand among those trained."""
    if trained.class_names == wanted.class_names:
        return list(range(len(trained.class_names)))
    for name in wanted.class_names:
        if trained.class_names.count(name) != 1:
            known = "several of that name" if name in trained.class_names else "none for this one"
            raise UserError(
                f"class '{name}' of task '{wanted.name}': what was trained has parts for each of "
                "its "
                f"classes and {known}; test on those classes, or train a method without parts per "
                "class"
            )
    return [trained.class_names.index(name) for name in wanted.class_names]
