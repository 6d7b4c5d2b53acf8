"""PLOT: several contexts per class, matched to places of the image by optimal transport (Chen et
al. 2023, 2210.01253).

    S_mn = f_m . g_n
    T    = argmin <T, 1 - S> - eps H(T) over plans with marginals 1/M and 1/N
    logit of the class = exp(logit_scale) * sum_mn T_mn S_mn

f are M local features of an image, g are N text features of a class, all L2-normalised. T is found
by Sinkhorn's iterations and has no gradient. Trained are the contexts v, N per task, of
g_n = text([SOS] v_n1 ... v_nL name . [EOS]).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from softcpt.errors import UserError
from softcpt.prompters.classifier import normalise, option
from softcpt.prompters.coop import CoOp, CoOpOptions
from softcpt.tasks import Task
from softcpt.text.prompts import init_context


@dataclass
class PLOTOptions(CoOpOptions):
    """Options of PLOT."""

    n_prompts: int = option(4, "N: contexts of a task (with csc of a class)", aliases=("N",))
    use_pooled: bool = option(
        False,
        "add the logit of the pooled image feature and a class's mean text feature; the "
        "published code does on ImageNet",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_prompts < 1:
            raise UserError(
                f"option n_prompts = {self.n_prompts}: a class is described by prompts, give 1 or "
                "more"
            )
        if self.ctx_init:
            raise UserError(
                f"option ctx_init = {self.ctx_init!r}: contexts that start alike stay alike; leave "
                "it out"
            )


class PLOT(CoOp):
    """CoOp with N contexts in place of one, and image features (B, 1 + M, D): the pooled one and M
    local ones."""

    Options = PLOTOptions
    samples_classes = False
    local_features = True

    options: PLOTOptions

    def initial_context(self, tasks: Sequence[Task]) -> Tensor:
        """(N, L, d) vectors that the contexts of ``tasks`` start from; with ``csc`` (C', N, L,
        d)."""
        options, clip = self.options, self.clip
        shape = [*self.class_shape(tasks), options.n_prompts, options.n_ctx, clip.text_width]
        return init_context(shape).to(clip.device)

    def contexts(self, tasks: Sequence[int] | None = None, classes: Tensor | None = None) -> Tensor:
        """(N, K, L, d): N contexts for each of ``tasks``; with ``csc`` for each of their classes,
        or of ``classes``."""
        return super().contexts(tasks, classes).transpose(0, 1)

    def class_embeddings(
        self, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(C, D), or (C', D) of ``tasks`` or of ``classes``: the normalised mean of a class's text
        features (N, C', D), for ``use_pooled``."""
        return normalise(self.text_features(tasks, classes).mean(dim=0))

    def logits(
        self, features: Tensor, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(B, 1 + M, D) normalised image features -> (B, C), or (B, C') of ``tasks`` or of
        ``classes``."""
        text = self.text_features(tasks, classes)
        return self._transport_logits(features, text, self.tasks.chosen(tasks, classes)[1])

    def classifier(self) -> Callable[[Tensor], Tensor]:
        """From (B, 1 + M, D) to (B, C)."""
        text, classes = self.text_features(), self.tasks.chosen()[1]
        return lambda features: self._transport_logits(features, text, classes)

    def own_classifier(self) -> Callable[[Tensor, Tensor], Tensor]:
        """From (B, 1 + M, D) and tasks (B,) to (B, C); columns of other tasks are -inf."""
        text, classes = self.text_features(), self.tasks.chosen()[1]
        count = len(self.tasks)
        return lambda features, owners: self._transport_logits(
            features, text, classes, F.one_hot(owners.cpu(), count).bool()
        )

    def training_logits(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C') for the multi-task loss, -inf outside an image's tasks, and the classes (C',)."""
        present, classes = self.tasks.chosen(self.tasks.present(labels))
        members, text = self.tasks.members(labels), self.text_features(present)
        return self._transport_logits(features, text, classes, members), classes

    def _transport_logits(
        self, features: Tensor, text: Tensor, classes: Tensor, members: Tensor | None = None
    ) -> Tensor:
        """(B, C') logits from ``text`` (N, C', D) of ``classes``; with ``members`` (B, T), -inf
        outside an image's tasks.

        Task by task: the published code trains one model per task, and its Sinkhorn loop stops for
            a batch as a whole.
        """
        prompts, scale = normalise(text), self.clip.logit_scale.exp()
        logits = prompts.new_full((len(features), len(classes)), -torch.inf)
        task_of_column = self.tasks.task_of_class[classes]
        for task in task_of_column.unique().tolist():
            rows = torch.arange(len(features))
            if members is not None:
                rows = rows[members[:, task]]
            if not len(rows):
                continue
            columns = torch.nonzero(task_of_column == task)[:, 0]
            logits[rows[:, None], columns] = scale * transported(
                features[rows, 1:], prompts[:, columns]
            )
        if self.options.use_pooled:
            logits = logits + scale * features[:, 0] @ normalise(text.mean(dim=0)).t()
        return logits


def transported(places: Tensor, prompts: Tensor) -> Tensor:
    """(B, C) similarity sum_mn T_mn S_mn of local features (B, M, D) and classes of N text features
    each (N, C, D)."""
    similarity = torch.einsum("bmd,ncd->bmnc", places, prompts)
    return (transport_plan(similarity.detach()) * similarity).sum(dim=(1, 2))


def transport_plan(
    similarity: Tensor, eps: float = 0.1, iterations: int = 100, tolerance: float = 1e-2
) -> Tensor:
    """Plans T (B, M, N, C) of marginals 1/M and 1/N and least cost 1 - ``similarity`` (B, M, N, C),
    smoothed by ``eps``.

    Sinkhorn's iterations stop when the row scaling moves by less than ``tolerance``, mean over all
    plans: a plan depends a little on its company, as in the published code. Of unit vectors in fp32
    every plan is finite: the kernel is at least exp(-2 / eps) = 2e-9. Classes come last because
    that is how they lie in memory.
    """
    kernel = torch.exp((similarity - 1) / eps)
    m, n = kernel.shape[1:3]
    rows, columns = torch.ones_like(kernel[:, :, :1]), torch.ones_like(kernel[:, :1])
    for _ in range(iterations):
        previous = rows
        rows = 1 / m / (kernel * columns).sum(dim=2, keepdim=True)
        columns = 1 / n / (kernel * rows).sum(dim=1, keepdim=True)
        if (rows - previous).abs().mean() < tolerance:
            break
    return rows * kernel * columns
