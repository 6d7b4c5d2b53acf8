"""CoOp: context vectors in front of the class name, learned freely (Zhou et al. 2022, arXiv
2109.01134, Eq. 2).

SoftCPT's table has it in three forms, all trained with the multi-task loss: one context per task
(CoOp-CA, here CoOp), one per class (CoOp-CS, here ``csc``), one for all tasks (CoOp-MT).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from softcpt.clip.model import Clip
from softcpt.prompters.base import Context, Prompter, PromptOptions, normalise, option
from softcpt.tasks import Task, TaskSet
from softcpt.text.prompts import init_context, words_context


@dataclass
class CoOpOptions(PromptOptions):
    """Options of CoOp."""

    n_ctx: int = option(16, "context vectors")
    csc: bool = option(False, "a context of its own for every class")
    ctx_init: str = option(
        "", "words whose embeddings the context starts from; their number replaces n_ctx"
    )
    position: str = option(
        "end",
        "place of the class name",
        ("end", "middle", "front"),
        key="CLASS_TOKEN_POSITION",
        aliases=("TOKEN_POSITION", "POSITION"),
    )
    per_task: bool = option(
        True, "a context of its own for every task (False: one for all)", aliases=("TSC",)
    )


class CoOp(Prompter):
    """w_c = text([SOS] v_1 ... v_L name of c . [EOS]), with v free parameters of the task (or
    class, or all).

    CoCoOp, KgCoOp, PLOT and ProGrad derive from it: they have its contexts, and another use or loss
        of them.

    Attributes:
        prompt_learner: the learner of all tasks, or with a ``learners`` list of one per task, as in
            the reference.
    """

    Options = CoOpOptions
    samples_classes = True

    def __init__(self, clip: Clip, tasks: TaskSet, options: CoOpOptions):
        super().__init__(clip, tasks, options)
        if options.per_task and len(tasks) > 1:
            self.prompt_learner = nn.Module()
            self.prompt_learner.learners = nn.ModuleList(self.new_learner([task]) for task in tasks)
        else:
            self.prompt_learner = self.new_learner(list(tasks))
        ctx = self.learner(0).ctx
        self.per_class = bool(options.csc and not options.ctx_init)
        self.layout = self.class_layout(ctx.shape[-2], options.position, self.per_class)

    def new_learner(self, tasks: Sequence[Task]) -> nn.Module:
        """What is trained for ``tasks``; its context is ``ctx``."""
        return Context(self.initial_context(tasks))

    def initial_context(self, tasks: Sequence[Task]) -> Tensor:
        """(L, d) vectors that the context of ``tasks`` starts from; with ``csc`` (C', L, d), one
        for each class."""
        options, clip = self.options, self.clip
        if options.ctx_init:  # words initialise the unified context only, as in CoOp
            return words_context(options.ctx_init, clip.tokenizer, clip.text.tower.tokens)
        classes = [sum(len(task.class_names) for task in tasks)] if options.csc else []
        return init_context([*classes, options.n_ctx, clip.text_width]).to(clip.device)

    def learner(self, task: int) -> nn.Module:
        """The learner that serves a task."""
        learners = getattr(self.prompt_learner, "learners", None)
        return self.prompt_learner if learners is None else learners[task]

    def contexts(self, tasks: Sequence[int] | None = None, classes: Tensor | None = None) -> Tensor:
        """(K, L, d): a context for each of ``tasks``; with ``csc`` for each of their classes, or of
        ``classes``."""
        tasks, classes = self.tasks.chosen(tasks, classes)
        shared = not hasattr(self.prompt_learner, "learners")
        if self.per_class:
            trained = range(len(self.tasks)) if shared else tasks
            ctx = (
                self.prompt_learner.ctx
                if shared
                else torch.cat([self.learner(task).ctx for task in tasks])
            )
            return ctx[torch.searchsorted(self.tasks.classes_of(trained), classes).to(ctx.device)]
        if shared:
            return self.prompt_learner.ctx.expand(len(tasks), *self.prompt_learner.ctx.shape)
        return torch.stack([self.learner(task).ctx for task in tasks])

    def groups(self, tasks: Sequence[int], classes: Tensor) -> Sequence[int]:
        """The layout's groups whose contexts :meth:`contexts` gives: tasks, or classes."""
        return classes.tolist() if self.per_class else tasks

    def class_embeddings(
        self, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(C, D) or, of the classes of ``tasks`` or of ``classes``, (C', D)."""
        groups = self.groups(*self.tasks.chosen(tasks, classes))
        return normalise(
            self.clip.encode_prompts(
                self.layout, self.contexts(tasks, classes), groups=groups, prompts=classes
            )
        )
