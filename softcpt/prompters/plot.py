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
from softcpt.prompters.sinkhorn import ASK_AFTER, Solved, solve_transport
from softcpt.tasks import Task
from softcpt.text.prompts import init_context
from softcpt.utils.sending import on_host, send_together


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

    # Iterations that were enough for every plan of the training so far; how many the loss that is
    # being computed shall take, None: the device is asked; and whether they are too few.
    _enough: int = ASK_AFTER
    _guess: int | None = None
    _wrong: Tensor | None = None

    def guessed_loss(
        self, features: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """With as many of Sinkhorn's iterations as were enough before; more after a wrong guess,
        when :meth:`loss` was asked."""
        on_device = features.device.type != "cpu"
        self._guess, self._wrong = (self._enough if on_device else None), None
        try:
            loss, accuracy = self.loss(features, labels)
        finally:
            self._guess = None
        return loss, accuracy, self._wrong

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
            features, text, classes, F.one_hot(on_host(owners), count).bool()
        )

    def training_logits(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C') for the multi-task loss, -inf outside an image's tasks, and the classes (C',)."""
        present, classes = self.tasks.chosen(self.tasks.present(labels))
        members, text = self.tasks.members(labels), self.text_features(present)
        return self._transport_logits(features, text, classes, members, training=True), classes

    def _transport_logits(
        self,
        features: Tensor,
        text: Tensor,
        classes: Tensor,
        members: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """(B, C') logits from ``text`` (N, C', D) of ``classes``; with ``members`` (B, T), -inf
        outside an image's tasks.

        Task by task: the published code trains one model per task, and its Sinkhorn loop stops for
            a batch as a whole.
        """
        prompts, scale = normalise(text), self.clip.logit_scale.exp()
        logits = prompts.new_full((len(features), len(classes)), -torch.inf)
        indices: list[Tensor] = []
        task_of_column = self.tasks.task_of_class[classes]
        for task in task_of_column.unique().tolist():
            rows = torch.arange(len(features))
            if members is not None:
                rows = rows[members[:, task]]
            if not len(rows):
                continue
            columns = torch.nonzero(task_of_column == task)[:, 0]
            indices += [rows, columns]
        sent = send_together(indices, features.device)
        parts = list(zip(sent[::2], sent[1::2]))
        problems = [(features[rows, 1:], prompts[:, columns]) for rows, columns in parts]
        every, solved = transported(problems, self._guess if training else None)
        if training:
            self._wrong = solved.wrong
            self._enough = max(self._enough, solved.iterations)
        for (rows, columns), similarity in zip(parts, every):
            logits[rows[:, None], columns] = scale * similarity
        if self.options.use_pooled:
            logits = logits + scale * features[:, 0] @ normalise(text.mean(dim=0)).t()
        return logits


def transported(
    problems: Sequence[tuple[Tensor, Tensor]], guess: int | None = None
) -> tuple[list[Tensor], Solved]:
    """Of each problem, local features (B, M, D) and classes of N text features each (N, C, D), the
    similarity (B, C) sum_mn T_mn S_mn; ``guess`` as of :func:`solve_transport`."""
    similarities = [torch.einsum("bmd,ncd->bmnc", *problem) for problem in problems]
    plans, solved = solve_transport([one.detach() for one in similarities], guess)
    return [(plan * found).sum(dim=(1, 2)) for plan, found in zip(plans, similarities)], solved
