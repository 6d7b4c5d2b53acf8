"""Prompts as the start of a training on other tasks, beyond those that fit as they are
(softcpt/prompters/task_matching.py).

A SoftCPT prompt makes a context for any task from its name: CoOp can start from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from softcpt.errors import UserError
from softcpt.prompters import METHODS, Prompter
from softcpt.prompters.coop import CoOp
from softcpt.prompters.softcpt import SoftCPT, SoftCPTOptions
from softcpt.tasks import Task, TaskSet


def trained_tasks(header: Mapping[str, Any]) -> TaskSet:
    """The tasks that a kept prompt was trained on."""
    return TaskSet(
        [Task(name, classes) for name, classes in zip(header["tasks"], header["classes"])]
    )


def makes_contexts(header: Mapping[str, Any], prompter: Prompter) -> bool:
    """Whether the prompt of ``header`` is SoftCPT's, and ``prompter`` has contexts that it can
    make."""
    return METHODS[header["method"]][0] is SoftCPT and isinstance(prompter, CoOp)


@torch.no_grad()
def start_from_names(
    prompter: CoOp, state: Mapping[str, Tensor], header: Mapping[str, Any]
) -> None:
    """Give CoOp's learners the contexts that a trained SoftCPT prompt makes for their tasks.

    A context of several tasks (CoOp-MT) starts at the mean of theirs, and one of a task at the mean
    of its classes' if SoftCPT makes them for classes.

    Args:
        prompter: CoOp, or a method with its learners.
        state, header: of the SoftCPT prompt's file.

    Raises:
        UserError: the contexts are of another length, or stand in another place.
    """
    options = SoftCPTOptions(**header["options"])
    ctx = prompter.learner(0).ctx
    own = {"n_ctx": ctx.shape[-2], "position": prompter.options.position}
    for name, ours in own.items():
        theirs = getattr(options, name)
        if theirs != ours:
            raise UserError(
                f"option {name} = {ours}: the SoftCPT prompt to start from has {theirs}; give the "
                "same"
            )
    options = replace(options, max_text_tokens=prompter.options.max_text_tokens)
    with torch.random.fork_rng(devices=[]):  # starting values are drawn and overwritten
        source = SoftCPT(prompter.clip, prompter.tasks, options)
    source.load_reference_state(state, trained_tasks(header))
    contexts, tasks = source.contexts(), prompter.tasks
    if options.csc:
        by_class, by_task = contexts, tasks.mean_of_classes(contexts)
    else:
        by_class, by_task = contexts[tasks.task_of_class.to(contexts.device)], contexts
    shared = not hasattr(prompter.prompt_learner, "learners")
    for task in range(1 if shared else len(tasks)):
        columns = slice(None) if shared else tasks.columns(task)
        one = by_task.mean(dim=0) if shared else by_task[task]
        prompter.learner(task).ctx.copy_(by_class[columns] if prompter.per_class else one)
