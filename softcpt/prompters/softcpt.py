"""SoftCPT: a network shared by all tasks turns each task's name into its context (Ding et al.,
arXiv 2208.13474).

    F_t = text([SOS] U_1 ... U_M  name of task t . [EOS])                 not normalised
    S_t = F_t W, reshaped to L x d                                        generated context
    w_c = text([SOS] S_1 ... S_L  name of class c . [EOS]), normalised    class embedding

Trained are U (shared, or one per task) and W. With ``csc``, contexts are made for every class, from
[F_c ; F_t], where F_c = text([SOS] V_1 ... V_K name of class c . [EOS]) and V is shared or one per
class. SoftCPT* is a row of the paper's table whose number of parameters fits free vectors F_t; the
paper's code does not have it. In place of a task's name a longer description can be read, and in
place of W a smaller network trained. Two generators of other papers read no F_t: FedTPG's makes S_t
from the names of the task's classes, MPT's scales one context for each task. With ``weight`` the
loss has KgCoOp's term, too (softcpt/prompters/kgcoop.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.class_name_attention import ClassNameAttention
from softcpt.prompters.classifier import Combine
from softcpt.prompters.context_generator import ContextGenerator
from softcpt.prompters.context_prompter import (
    Context,
    ContextPrompter,
    device_index,
    pack_names,
)
from softcpt.prompters.kgcoop import held_loss
from softcpt.prompters.scaled_context import ScaledContext
from softcpt.prompters.softcpt_options import SoftCPTOptions
from softcpt.prompters.zeroshot import template_embeddings
from softcpt.tasks import TaskSet
from softcpt.text.prompt_list import PromptList
from softcpt.text.prompts import init_context, words_context
from softcpt.utils.rows import take


class SoftCPT(ContextPrompter):
    """Contexts generated from task names (and class names)."""

    Options = SoftCPTOptions
    samples_classes = True
    makes_contexts = True

    options: SoftCPTOptions
    hand_written: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: SoftCPTOptions) -> None:
        super().__init__(clip, tasks, options)
        # Random draws in the reference's order: class context, task context, generator.
        if options.csc:
            self.class_prompt_learner, self.class_name_prompts = self._feature_prompts(
                tasks.class_names,
                options.class_n_ctx,
                options.class_ctx_init,
                options.class_csc,
                options.class_position,
            )
        if options.task_text == "none":
            self.task_embedding = self._free_features()
        elif options.reads_task_features:
            self.task_prompt_learner, self.task_name_prompts = self._feature_prompts(
                self._task_texts(),
                options.task_n_ctx,
                options.task_ctx_init,
                options.task_csc,
                options.task_position,
            )
        self.prompt_gen = self._generator().to(clip.device)
        self.pack_class_names(options.n_ctx, options.position, options.csc)
        if options.weight:
            embeddings = template_embeddings(clip, tasks, max_tokens=options.token_bound)
            self.register_buffer("hand_written", embeddings, persistent=False)

    def _generator(self) -> nn.Module:
        options, clip, tasks = self.options, self.clip, self.tasks
        n_ctx, width = options.n_ctx, clip.text_width
        if options.generator == "fedtpg":
            bare = [["{}"]] * len(tasks)
            names = template_embeddings(clip, tasks, bare, options.token_bound)
            return ClassNameAttention(names, tasks.sizes, n_ctx, width)
        if options.generator == "mpt":
            return ScaledContext(len(tasks), n_ctx, width)
        halves = 2 if options.csc else 1
        return ContextGenerator(
            options.generator, clip.embed_dim, halves, n_ctx, width, options.rank
        )

    def loss(
        self, features: Tensor, labels: Tensor, combine: Combine | None = None
    ) -> tuple[Tensor, Tensor]:
        """The multi-task cross-entropy; with ``weight`` KgCoOp's term, too; and accuracy in %."""
        if not self.options.weight:
            return super().loss(features, labels, combine)
        return held_loss(self, features, labels, self.hand_written, self.options.weight, combine)

    @property
    def reference_steps(self) -> int:
        """The reference registers its one optimiser once per trained module and once for the class
        names' buffers; it has no generators of other papers."""
        if not self.options.reads_task_features:
            return 1
        return 4 if self.options.csc else 3

    def _task_texts(self) -> list[str]:
        if self.options.task_text == "name":
            return list(self.tasks.names)
        for task in self.tasks:
            if not task.description.strip():
                raise UserError(
                    f"task '{task.name}': it has no description, and task_text is description; "
                    "give it one "
                    "(Task(description=...), DATASET.TASK_DESCRIPTION or a task_desc.txt), or use "
                    "its name"
                )
        # Prompts end with a stop of their own.
        return [task.description.strip().rstrip(".") for task in self.tasks]

    def _free_features(self) -> nn.Embedding:
        """F (T, D), free vectors of the length that the features of the bare task names have on
        average."""
        clip, count = self.clip, len(self.tasks)
        with torch.no_grad():
            features = self.encode_prompts(pack_names(clip, self.tasks.names, n_ctx=0)).float()
        start = torch.randn(count, clip.embed_dim).to(clip.device)
        length = features.square().mean().sqrt()
        return nn.Embedding(count, clip.embed_dim, _weight=start * length)

    def _feature_prompts(
        self, names: Sequence[str], n_ctx: int, words: str, specific: bool, position: str
    ) -> tuple[Context, PromptList]:
        """The learnable context, and the prompts, of task (or class) features."""
        clip = self.clip
        if words:
            ctx, specific = words_context(words, clip.tokenizer, clip.embed_tokens), False
        else:
            shape = (len(names), n_ctx, clip.text_width) if specific else (n_ctx, clip.text_width)
            ctx = init_context(shape).to(clip.device)
        groups = range(len(names)) if specific else None
        return Context(ctx), pack_names(clip, names, ctx.shape[-2], position, groups)

    def _features(self, learner: Context, packed: PromptList, chosen: Sequence[int]) -> Tensor:
        """(N', D) text features of the chosen names, not normalised."""
        ctx: Tensor = learner.ctx
        if packed.num_groups > 1:
            own = take(ctx, device_index(chosen, ctx))
            return self.encode_prompts(packed, own, groups=chosen)
        return self.encode_prompts(packed, ctx.reshape(1, *ctx.shape[-2:]), prompts=chosen)

    def task_features(self, tasks: Sequence[int] | None = None) -> Tensor:
        """(T, D) features F_t of all tasks, or of ``tasks``; not with the generators fedtpg and
        mpt."""
        chosen = range(len(self.tasks)) if tasks is None else tasks
        if self.options.task_text == "none":
            free: Tensor = self.task_embedding.weight
            return take(free, device_index(chosen, free))
        return self._features(self.task_prompt_learner, self.task_name_prompts, chosen)

    def contexts(self, tasks: Sequence[int] | None = None, classes: Tensor | None = None) -> Tensor:
        """Generated contexts (T, L, d); with ``csc`` one per class, (C, L, d). Of ``tasks``, or for
        ``classes``."""
        tasks, classes = self.tasks.chosen(tasks, classes)
        if not self.options.reads_task_features:
            made: Tensor = self.prompt_gen(tasks)
            return made
        features = self.task_features(tasks)
        if self.options.csc:
            own = self._features(
                self.class_prompt_learner, self.class_name_prompts, classes.tolist()
            )
            place = torch.searchsorted(torch.tensor(tasks), self.tasks.task_of_class[classes])
            features = torch.cat([own, take(features, device_index(place, features))], dim=1)
        contexts: Tensor = self.prompt_gen(features)
        return contexts

    def rows(self, name: str) -> str:
        """Specific task contexts are (T, M, d), specific class contexts (C, K, d), free features
        (T, D), MPT's factors (T, L) and (T, d)."""
        if name in ("task_embedding.weight", "prompt_gen.u", "prompt_gen.v"):
            return "task"
        specific = name.endswith(".ctx") and self.get_parameter(name).dim() == 3
        return name.split("_", maxsplit=1)[0] if specific else ""
