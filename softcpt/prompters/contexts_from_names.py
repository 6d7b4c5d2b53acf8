"""Loads a trained prompt into a method: of its own kind, or as the contexts that it starts from.

SoftCPT makes a context for any task from its name: CoOp and its kin can start from it
(``makes_contexts``, ``takes_contexts``). Other prompts must be of the same method
(softcpt/prompters/task_matching.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from softcpt.errors import UserError
from softcpt.prompters import METHODS, TaskClassifier
from softcpt.tasks import Task, TaskSet


def trained_tasks(header: Mapping[str, Any]) -> TaskSet:
    """The tasks that a kept prompt was trained on."""
    return TaskSet(
        [Task(name, classes) for name, classes in zip(header["tasks"], header["classes"])]
    )


def load_trained(
    method: TaskClassifier, state: Mapping[str, Tensor], header: Mapping[str, Any]
) -> None:
    """Give ``method`` what was trained, or the contexts that it makes for the tasks of ``method``.

    Args:
        method: to be tested, or trained on.
        state: the tensors of the prompt's file.
        header: of that file: method, options, tasks and classes.

    Raises:
        UserError: it is of another method, or of one that is not known here, or has nothing for one
            of the tasks or classes; its contexts are of another length, or stand in another place.
    """
    if header["method"] not in METHODS:
        raise UserError(f"a prompt of {header['method']}, which is no method here")
    kind, trained = METHODS[header["method"]][0], trained_tasks(header)
    if not (kind.makes_contexts and method.takes_contexts):
        method.load_reference_state(state, trained)
        return
    with torch.random.fork_rng(devices=[]):  # starting values are drawn and overwritten
        source = kind(method.clip, method.tasks, kind.Options(**header["options"]))
    _refuse_other_form(method, source)
    source.load_reference_state(state, trained)
    with torch.no_grad():
        contexts = source.contexts()
    form = source.context_form
    if contexts is None or form is None:
        raise RuntimeError(f"{type(source).__name__}: it makes contexts, and has none")
    method.start_from_contexts(contexts, form.per_class)


def _refuse_other_form(method: TaskClassifier, source: TaskClassifier) -> None:
    for name in ("n_ctx", "position"):
        ours, theirs = (getattr(one.context_form, name) for one in (method, source))
        if ours != theirs:
            raise UserError(
                f"option {name} = {ours}: the SoftCPT prompt to start from has {theirs}; give the "
                "same"
            )
