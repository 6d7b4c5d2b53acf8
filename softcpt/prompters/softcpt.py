"""SoftCPT: a network shared by all tasks turns each task's name into its context (Ding et al., arXiv 2208.13474).

    F_t = text([SOS] U_1 ... U_M  name of task t . [EOS])                      task feature, not normalised
    S_t = F_t W, reshaped to L x d                                             generated context
    w_c = text([SOS] S_1 ... S_L  name of class c . [EOS]), normalised         class embedding

Trained are U (shared, or one per task) and W. With ``csc``, contexts are made for every class, from [F_c ; F_t], where
F_c = text([SOS] V_1 ... V_K name of class c . [EOS]) and V is shared or one per class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.backbone import Clip
from softcpt.context import ContextGenerator
from softcpt.packing import Layout
from softcpt.prompters.base import Context, Prompter, PromptOptions, normalise, option
from softcpt.prompts import init_context, prompt_symbols, words_context
from softcpt.tasks import TaskSet

POSITIONS = ("end", "middle", "front")


@dataclass
class SoftCPTOptions(PromptOptions):
    """Options of SoftCPT; the defaults are the reference's NATA setting."""

    n_ctx: int = option(16, "L: generated context vectors")
    position: str = option("end", "place of the class name", POSITIONS, aliases=("TOKEN_POSITION",))
    task_n_ctx: int = option(4, "M: learnable vectors in front of the task's name")
    task_ctx_init: str = option("", "words whose embeddings the task context starts from")
    task_csc: bool = option(False, "a task context of its own for every task (NATS, CATS, CSTS)")
    task_position: str = option("end", "place of the task's name", POSITIONS, aliases=("TASK_TOKEN_POSITION",))
    csc: bool = option(False, "a context for every class, from class and task features (the CA and CS variants)")
    class_n_ctx: int = option(4, "K: learnable vectors in front of the class name for class features (with csc)")
    class_ctx_init: str = option("", "words whose embeddings the class context starts from")
    class_csc: bool = option(False, "a class context of its own for every class (CSTA, CSTS)")
    class_position: str = option("end", "place of the class name for class features", POSITIONS,
                                 aliases=("CLASS_TOKEN_POSITION",))
    generator: str = option("lin", "network from features to contexts", ("lin", "linmean", "lincls"),
                            aliases=("PG_TYPE",))


class SoftCPT(Prompter):
    """Contexts generated from task names (and class names)."""

    Options = SoftCPTOptions

    def __init__(self, clip: Clip, tasks: TaskSet, options: SoftCPTOptions):
        super().__init__(clip, tasks, options)
        # Random draws in the reference's order: class context, task context, generator.
        if options.csc:
            self.class_prompt_learner, self.class_feature_layout = self._feature_prompts(
                tasks.class_names, options.class_n_ctx, options.class_ctx_init, options.class_csc,
                options.class_position)
        self.task_prompt_learner, self.task_feature_layout = self._feature_prompts(
            tasks.names, options.task_n_ctx, options.task_ctx_init, options.task_csc, options.task_position)
        self.prompt_gen = ContextGenerator(options.generator, clip.embed_dim, 2 if options.csc else 1, options.n_ctx,
                                           clip.text_width).to(clip.device)
        self.layout = self.class_layout(options.n_ctx, options.position, options.csc)

    def _feature_prompts(self, names: Sequence[str], n_ctx: int, words: str, specific: bool,
                         position: str) -> tuple[Context, Layout]:
        """The learnable context, and the prompts, of task (or class) features."""
        clip = self.clip
        if words:
            ctx, specific = words_context(words, clip.tokenizer, clip.text.tower.tokens), False
        else:
            shape = (len(names), n_ctx, clip.text_width) if specific else (n_ctx, clip.text_width)
            ctx = init_context(shape).to(clip.device)
        n_ctx = ctx.shape[-2]
        prompts = [prompt_symbols(clip.tokenizer, name, n_ctx, position, clip.context_length) for name in names]
        return Context(ctx), Layout(prompts, range(len(names)) if specific else None, n_ctx, clip.text_width)

    def _features(self, learner: Context, layout: Layout, chosen: Sequence[int]) -> Tensor:
        """(N', D) text features of the chosen names, not normalised."""
        if layout.num_groups > 1:
            return self.clip.encode_prompts(layout, learner.ctx[torch.as_tensor(chosen, device=learner.ctx.device)],
                                            groups=chosen)
        return self.clip.encode_prompts(layout, learner.ctx.reshape(1, *learner.ctx.shape[-2:]), prompts=chosen)

    def task_features(self, tasks: Sequence[int] | None = None) -> Tensor:
        """(T, D) features F_t of the task names, or of ``tasks``."""
        chosen = list(range(len(self.tasks)) if tasks is None else tasks)
        return self._features(self.task_prompt_learner, self.task_feature_layout, chosen)

    def contexts(self, tasks: Sequence[int] | None = None) -> Tensor:
        """Generated contexts (T, L, d); with ``csc`` one per class, (C, L, d)."""
        tasks = list(range(len(self.tasks)) if tasks is None else sorted(tasks))
        features = self.task_features(tasks)
        if self.options.csc:
            classes = self.tasks.classes_of(tasks)
            own = self._features(self.class_prompt_learner, self.class_feature_layout, classes.tolist())
            place = torch.searchsorted(torch.tensor(tasks), self.tasks.task_of_class[classes])
            features = torch.cat([own, features[place.to(features.device)]], dim=1)
        return self.prompt_gen(features)

    def class_embeddings(self, tasks: Sequence[int] | None = None) -> Tensor:
        """(C, D), or (C', D) of the classes of ``tasks``."""
        tasks = list(range(len(self.tasks)) if tasks is None else sorted(tasks))
        groups = self.tasks.classes_of(tasks).tolist() if self.options.csc else tasks
        return normalise(self.clip.encode_prompts(self.layout, self.contexts(tasks), groups=groups))
