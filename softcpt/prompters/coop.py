"""CoOp: context vectors in front of the class name, learned freely (Zhou et al. 2022, arXiv 2109.01134, Eq. 2).

SoftCPT's table has it in three forms, all trained with the multi-task loss: one context per task (CoOp-CA, here CoOp),
one per class (CoOp-CS, here ``csc``), one for all tasks (CoOp-MT).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from softcpt.backbone import Clip
from softcpt.prompters.base import Context, Prompter, PromptOptions, normalise, option
from softcpt.prompts import init_context, words_context
from softcpt.tasks import TaskSet


@dataclass
class CoOpOptions(PromptOptions):
    """Options of CoOp."""

    n_ctx: int = option(16, "context vectors")
    csc: bool = option(False, "a context of its own for every class")
    ctx_init: str = option("", "words whose embeddings the context starts from; their number replaces n_ctx")
    position: str = option("end", "place of the class name", ("end", "middle", "front"), key="CLASS_TOKEN_POSITION",
                           aliases=("TOKEN_POSITION", "POSITION"))
    per_task: bool = option(True, "a context of its own for every task (False: one for all)", aliases=("TSC",))


class CoOp(Prompter):
    """w_c = text([SOS] v_1 ... v_L name of c . [EOS]), with v free parameters of the task (or class, or all)."""

    Options = CoOpOptions

    def __init__(self, clip: Clip, tasks: TaskSet, options: CoOpOptions):
        super().__init__(clip, tasks, options)
        if options.ctx_init:
            start = words_context(options.ctx_init, clip.tokenizer, clip.text.tower.tokens)
            n_ctx = len(start)
        else:
            start, n_ctx = None, options.n_ctx

        def learner(classes: int) -> Context:
            if start is not None:  # words initialise the unified context only, as in CoOp
                return Context(start.clone())
            shape = (classes, n_ctx, clip.text_width) if options.csc else (n_ctx, clip.text_width)
            return Context(init_context(shape).to(clip.device))

        per_class = options.csc and start is None
        if options.per_task and len(tasks) > 1:
            # The reference holds one learner per task in a list of that name.
            self.prompt_learner = nn.Module()
            self.prompt_learner.learners = nn.ModuleList(learner(size) for size in tasks.sizes)
        else:
            self.prompt_learner = learner(tasks.num_classes)
        self.per_class = per_class
        self.layout = self.class_layout(n_ctx, options.position, per_class)

    def contexts(self, tasks: Sequence[int]) -> Tensor:
        """(K, L, d): a context for each of ``tasks``, or for each of their classes."""
        learners = getattr(self.prompt_learner, "learners", None)
        if learners is not None:
            contexts = [learners[task].ctx for task in tasks]
            return torch.cat(contexts) if self.per_class else torch.stack(contexts)
        ctx = self.prompt_learner.ctx
        if self.per_class:
            return ctx[self.tasks.classes_of(tasks).to(ctx.device)]
        return ctx.expand(len(tasks), *ctx.shape)

    def class_embeddings(self, tasks: Sequence[int] | None = None) -> Tensor:
        """(C, D) or, of the classes of ``tasks``, (C', D)."""
        tasks = range(len(self.tasks)) if tasks is None else sorted(tasks)
        groups = self.tasks.classes_of(tasks).tolist() if self.per_class else tasks
        return normalise(self.clip.encode_prompts(self.layout, self.contexts(tasks), groups=groups))
