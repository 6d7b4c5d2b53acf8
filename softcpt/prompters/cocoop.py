"""CoCoOp: a context that depends on the image (Zhou et al. 2022, arXiv 2203.05557, section 3.2).

    v_m(x) = v_m + meta(x)                                      for m = 1 ... L
    w_c(x) = text([SOS] v_1(x) ... v_L(x) name of c . [EOS])    class embeddings of this image
    meta(x) = W_2 relu(W_1 x + b_1) + b_2                       D -> D / 16 -> d, x normalised

The published code encodes all classes for one image after the other. Here the images of a task are
encoded together, each with the classes of its own task only where nothing else counts: in the loss,
and in tests on many tasks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from softcpt.prompters.classifier import normalise, option
from softcpt.prompters.context_prompter import Context, device_index
from softcpt.prompters.coop import CoOp, CoOpOptions
from softcpt.tasks import Task


@dataclass
class CoCoOpOptions(CoOpOptions):
    """Options of CoCoOp. Its published runs have 4 vectors that start from "a photo of a"."""

    max_text_tokens: int = option(
        8192,
        "encode at most this many tokens at once, and compute them again in the "
        "backward pass: every image has prompts of its own (0: no bound)",
    )


class ConditionalContext(Context):
    """Context vectors ``ctx``, and ``meta_net`` from a normalised image feature (D) to what is
    added to each (d)."""

    def __init__(self, ctx: Tensor, features: int) -> None:
        super().__init__(ctx)
        hidden = features // 16
        self.meta_net = nn.Sequential(
            OrderedDict(
                linear1=nn.Linear(features, hidden),
                relu=nn.ReLU(),
                linear2=nn.Linear(hidden, ctx.shape[-1]),
            )
        ).to(ctx.device)


class CoCoOp(CoOp):
    """CoOp with v + pi(x) in the place of v; a network, too, for every task.

    :meth:`class_embeddings` are those of v alone, which no image has: classify with the other
    methods.
    """

    Options = CoCoOpOptions
    samples_classes = False
    # As MVLPT's published code calls it.
    other_names = MappingProxyType({"prompt_learner.cocoop_ctx": "prompt_learner.ctx"})

    learners: tuple[ConditionalContext, ...]

    def new_learner(self, tasks: Sequence[Task]) -> ConditionalContext:
        """Context and network of ``tasks``."""
        return ConditionalContext(self.initial_context(tasks), self.clip.embed_dim)

    @property
    def shares_parameters(self) -> bool:
        """One network for all tasks; or one softmax, which compares all classes."""
        return self.shared or self.options.softmax == "joint"

    def image_embeddings(
        self, features: Tensor, task: int, classes: Tensor | None = None
    ) -> Tensor:
        """(B, D) normalised image features -> (B, C', D) embeddings of the task's classes (or of
        ``classes``, some of them), for each image its own."""
        groups = self.groups(*self.tasks.chosen([task], classes))
        shift = self.learners[task].meta_net(features)[:, None, None]
        contexts = self.contexts([task], classes) + shift
        return normalise(
            self.encode_prompts(self.packed_prompts, contexts, groups=groups, prompts=classes)
        )

    def logits(
        self, features: Tensor, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(B, D) normalised image features -> (B, C), or (B, C') of the classes of ``tasks`` or of
        ``classes``."""
        parts = []
        for task in self.tasks.chosen(tasks, classes)[0]:
            own = None if classes is None else classes[self.tasks.task_of_class[classes] == task]
            parts.append(self._task_logits(features, task, own))
        return torch.cat(parts, dim=1)

    def own_logits(self, features: Tensor, members: Tensor) -> Tensor:
        """(B, D) features of images and which tasks are theirs (B, T) -> (B, C), -inf for the
        classes of other tasks."""
        logits = features.new_full((len(features), self.tasks.num_classes), -torch.inf)
        for task in members.any(dim=0).nonzero().flatten().tolist():
            mine = device_index(torch.nonzero(members[:, task]).flatten(), features)
            logits[mine, self.tasks.columns(task)] = self._task_logits(features[mine], task)
        return logits

    def classifier(self) -> Callable[[Tensor], Tensor]:
        """The logits: no class can be encoded before the image is seen."""
        return self.logits

    def own_classifier(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The logits of each image's own task."""
        count = len(self.tasks)
        return lambda features, owners: self.own_logits(
            features, F.one_hot(owners.cpu(), count).bool()
        )

    def training_logits(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C), -inf for the classes of other tasks than the image's, and all classes."""
        members = self.tasks.members(labels)
        return self.own_logits(features, members), torch.arange(self.tasks.num_classes)

    def _task_logits(self, features: Tensor, task: int, classes: Tensor | None = None) -> Tensor:
        """(B, D) -> (B, C') of the task's classes, or of ``classes``."""
        embeddings = self.image_embeddings(features, task, classes)
        return self.clip.logit_scale.exp() * (embeddings @ features[:, :, None]).squeeze(2)
