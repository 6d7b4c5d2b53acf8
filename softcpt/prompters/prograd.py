"""ProGrad: CoOp whose step never leads away from zero-shot CLIP (Zhu et al. 2023, arXiv
2205.14865).

    CE = cross-entropy of the logits s
    KL = - T^2 * sum over classes of softmax(z / T) * log softmax(s / T)        mean over images

z are the logits of zero-shot CLIP. For every parameter tensor, with g the gradient of CE and h that
of KL, of unit length:

    step along  g                          if g . h >= 0
                g - lambda * (g . h) h     otherwise
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.classifier import Combine, option
from softcpt.prompters.context_prompter import device_index
from softcpt.prompters.coop import CoOp, CoOpOptions
from softcpt.prompters.zeroshot import template_embeddings
from softcpt.tasks import Task, TaskSet


@dataclass
class ProGradOptions(CoOpOptions):
    """Options of ProGrad; the defaults are those of its published runs."""

    ctx_init: str = option(
        "template",
        "words whose embeddings the context starts from; their number replaces n_ctx. "
        "template: n_ctx vectors that end with the words of the task's template in "
        "front of the name, zeros before them",
    )
    projection: float = option(
        1.0,
        "lambda: share of the conflicting part of the gradient that is taken out",
        aliases=("LAMBDA",),
    )
    temperature: float = option(1.0, "T: temperature of the distillation term", aliases=("T",))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0:
            raise UserError(
                f"option temperature = {self.temperature}: logits are divided by it, give more "
                "than 0"
            )


class ProGrad(CoOp):
    """CoOp with another gradient: ``loss`` has the value of CE, and its ``backward()`` gives the
    step above.

    Attributes:
        hand_written: (C, D) embeddings of zero-shot CLIP, the teacher.
    """

    Options = ProGradOptions
    samples_classes = False
    joins_tasks = False

    options: ProGradOptions
    hand_written: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: ProGradOptions) -> None:
        super().__init__(clip, tasks, options)
        embeddings = template_embeddings(clip, tasks, max_tokens=options.token_bound)
        self.register_buffer("hand_written", embeddings, persistent=False)

    def initial_context(self, tasks: Sequence[Task]) -> Tensor:
        """(L, d) vectors that the context of ``tasks`` starts from; with ``csc`` (C', L, d), one
        for each class."""
        if self.options.ctx_init != "template":
            return super().initial_context(tasks)
        ids = torch.tensor(self.clip.tokenizer.encode(words_before_name(tasks)))
        if len(ids) > self.options.n_ctx:
            raise UserError(
                f"option n_ctx = {self.options.n_ctx}: the template of task '{tasks[0].name}' has "
                f"{len(ids)} tokens in front of the name; give at least as many"
            )
        vectors = self.clip.embed_tokens(ids)
        return F.pad(vectors.detach().float(), (0, 0, self.options.n_ctx - len(ids), 0))

    def loss(
        self, features: Tensor, labels: Tensor, combine: Combine | None = None
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy, whose ``backward()`` gives the projected gradients, and the accuracy in
        %."""
        tasks, classes = self.tasks.of_batch(labels)
        logits = self.logits(features, tasks)
        loss, accuracy = self.task_loss(logits, labels, classes, combine)
        taught = self.compare(features, self.hand_written[device_index(classes, self.hand_written)])
        student, _ = self.tasks.restrict(logits, labels, classes)
        teacher, _ = self.tasks.restrict(taught, labels, classes)
        divergence = distillation(student, teacher, self.options.temperature)
        projected: Tensor = _Projected.apply(
            (loss, divergence), self.options.projection, *self.parameters()
        )
        return projected, accuracy


def words_before_name(tasks: Sequence[Task]) -> str:
    """The words in front of the class name, which the templates of ``tasks`` have in common.

    Raises:
        UserError: they have none, or different ones.
    """
    words = {task.template.partition("{}")[0].strip() for task in tasks}
    if len(words) > 1 or not all(words):
        raise UserError(
            f"option ctx_init = template: the templates of {', '.join(task.name for task in tasks)}"
            " do not begin with the same words in front of the name; give words, or '' for random "
            "vectors"
        )
    return words.pop()


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The KL term from logits (B, C), both -inf in the columns that do not count."""
    log_student = F.log_softmax(student / temperature, dim=1).masked_fill(teacher == -torch.inf, 0)
    return (
        -(temperature**2 * F.softmax(teacher / temperature, dim=1) * log_student).sum(dim=1).mean()
    )


def project(gradient: Tensor, general: Tensor, strength: float) -> Tensor:
    """``gradient`` without ``strength`` times its part along ``general``, if they are in conflict
    (same shapes)."""
    direction = general / torch.linalg.vector_norm(general).clamp(
        min=torch.finfo(general.dtype).tiny
    )
    product = (gradient * direction).sum()
    # Where the product is no number, an overflow of a scaled loss, the result is none either: the
    # scaler must see it.
    return torch.where(product >= 0, gradient, gradient - strength * product * direction)


class _Projected(torch.autograd.Function):
    """The first loss of two, with the projected gradients in place of its own.

    Gradients are taken of both losses times what comes in from behind, so the loss scaler's factor
    guards both backward passes against underflow; the projection itself does not depend on it.
    """

    @staticmethod
    def forward(
        ctx: Any, losses: tuple[Tensor, Tensor], strength: float, *parameters: Tensor
    ) -> Tensor:
        ctx.losses, ctx.strength = losses, strength
        ctx.save_for_backward(*parameters)
        return losses[0].detach()

    @staticmethod
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        gradients, generals = (
            torch.autograd.grad(
                loss, ctx.saved_tensors, factor, retain_graph=True, allow_unused=True
            )
            for loss in ctx.losses
        )
        projected: list[Tensor | None] = []
        for gradient, general in zip(gradients, generals):
            unused = gradient is None or general is None
            projected.append(None if unused else project(gradient, general, ctx.strength))
        return None, None, *projected
