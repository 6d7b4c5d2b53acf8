"""CoOp: context vectors in front of the class name, learned freely (Zhou et al. 2022, arXiv
2109.01134, Eq. 2).

    w_c = text([SOS] v_1 ... v_L name of c . [EOS])        v: free vectors of c's task

SoftCPT's table has it in three forms, all trained with the multi-task loss: one context per task
(CoOp-CA, here CoOp), one per class (CoOp-CS, here ``csc``), one for all tasks (CoOp-MT).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from softcpt.clip.model import Clip
from softcpt.prompters.base import PromptOptions
from softcpt.prompters.classifier import option
from softcpt.prompters.context_prompter import (
    POSITIONS,
    Context,
    ContextPrompter,
    device_index,
)
from softcpt.tasks import Task, TaskSet
from softcpt.text.prompts import init_context, words_context
from softcpt.utils.rows import take
from softcpt.utils.supersets import Superset


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
        POSITIONS,
        key="CLASS_TOKEN_POSITION",
        aliases=("TOKEN_POSITION", "POSITION"),
    )
    per_task: bool = option(
        True, "a context of its own for every task (False: one for all)", aliases=("TSC",)
    )


class LearnerPerTask(nn.Module):
    """A learner for every task, under the reference's name for their list."""

    def __init__(self, learners: Sequence[nn.Module]) -> None:
        super().__init__()
        self.learners = nn.ModuleList(learners)


class CoOp(ContextPrompter):
    """Contexts that are free parameters of a task (or class, or of all tasks).

    CoCoOp, KgCoOp, PLOT and ProGrad derive from it: they have its contexts, and another use or loss
    of them.

    Attributes:
        prompt_learner: what is trained: one learner, or one for every task.
        learners: of each task, the learner that serves it: T times the same where one serves all.
        shared: whether one learner serves all tasks.
    """

    Options = CoOpOptions
    samples_classes = True
    takes_contexts = True

    options: CoOpOptions
    learners: tuple[Context, ...]

    def __init__(self, clip: Clip, tasks: TaskSet, options: CoOpOptions) -> None:
        super().__init__(clip, tasks, options)
        self.shared = not options.per_task or len(tasks) == 1
        self.prompt_learner: nn.Module
        if self.shared:
            learner = self.new_learner(list(tasks))
            self.learners, self.prompt_learner = (learner,) * len(tasks), learner
        else:
            self.learners = tuple(self.new_learner([task]) for task in tasks)
            self.prompt_learner = LearnerPerTask(self.learners)
        n_ctx, per_class = self.learners[0].ctx.shape[-2], options.csc and not options.ctx_init
        self.pack_class_names(n_ctx, options.position, per_class)

    def new_learner(self, tasks: Sequence[Task]) -> Context:
        """What is trained for ``tasks``; its context is ``ctx``."""
        return Context(self.initial_context(tasks))

    def initial_context(self, tasks: Sequence[Task]) -> Tensor:
        """(L, d) vectors that the context of ``tasks`` starts from; with ``csc`` (C', L, d), one
        for each class."""
        options, clip = self.options, self.clip
        if options.ctx_init:  # words initialise the unified context only, as in CoOp
            return words_context(options.ctx_init, clip.tokenizer, clip.embed_tokens)
        shape = [*self.class_shape(tasks), options.n_ctx, clip.text_width]
        return init_context(shape).to(clip.device)

    def class_shape(self, tasks: Sequence[Task]) -> list[int]:
        """The leading dimension of a context of ``tasks``: their classes with ``csc``, else
        none."""
        return [sum(len(task.class_names) for task in tasks)] if self.options.csc else []

    def contexts(self, tasks: Sequence[int] | None = None, classes: Tensor | None = None) -> Tensor:
        """(K, L, d): a context for each of ``tasks``; with ``csc`` for each of their classes, or of
        ``classes``."""
        tasks, classes = self.tasks.chosen(tasks, classes)
        if self.per_class:
            return self._class_contexts(tasks, classes)
        if self.shared:
            ctx = self.learners[0].ctx
            return ctx.expand(len(tasks), *ctx.shape)
        if isinstance(tasks, Superset):
            every = torch.stack([learner.ctx for learner in self.learners])
            return take(every, device_index(tasks, every))
        return torch.stack([self.learners[task].ctx for task in tasks])

    def _class_contexts(self, tasks: Sequence[int], classes: Tensor) -> Tensor:
        """The contexts of ``classes``, from the learners of ``tasks``."""
        if self.shared:
            ctx: Tensor = self.learners[0].ctx
            return take(ctx, device_index(classes, ctx))
        ctx = torch.cat([self.learners[task].ctx for task in tasks])
        places = torch.searchsorted(self.tasks.classes_of(tasks), classes)
        return take(ctx, device_index(places, ctx))

    @property
    def shares_parameters(self) -> bool:
        """One context for all tasks; or one softmax, which compares all classes."""
        return (self.shared and not self.per_class) or self.options.softmax == "joint"

    @torch.no_grad()
    def start_from_contexts(self, contexts: Tensor, per_class: bool) -> None:
        """Train on from contexts (T, L, d) of the tasks, or (C, L, d) of their classes.

        A context of several tasks (CoOp-MT) starts at the mean of theirs, and one of a task at the
        mean of its classes'.
        """
        tasks = self.tasks
        if per_class:
            by_class, by_task = contexts, tasks.mean_of_classes(contexts)
        else:
            by_class, by_task = contexts[tasks.task_of_class.to(contexts.device)], contexts
        if self.shared:
            self.learners[0].ctx.copy_(by_class if self.per_class else by_task.mean(dim=0))
            return
        for task, learner in enumerate(self.learners):
            own = by_class[tasks.columns(task)] if self.per_class else by_task[task]
            learner.ctx.copy_(own)

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Published code keeps the contexts of the classes of all tasks in one tensor (C, L, d),
        also where here every task has its own."""
        name = "prompt_learner.ctx"
        if self.shared or not self.per_class or len(state.get(name, ())) != self.tasks.num_classes:
            return state
        own = {
            f"prompt_learner.learners.{task}.ctx": state[name][self.tasks.columns(task)]
            for task in range(len(self.tasks))
        }
        return own | {other: tensor for other, tensor in state.items() if other != name}

    def rows(self, name: str) -> str:
        """With ``csc`` a context has a row for every class."""
        return "class" if self.per_class and name.endswith(".ctx") else ""
