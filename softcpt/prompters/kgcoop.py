"""KgCoOp: CoOp held near the hand-written prompts (Yao et al. 2023, arXiv 2303.13283).

    L   = CE + lambda * (1 - mean over classes of cos(w_c, z_c))
    z_c = text(the task's template with the name of c)

The mean is over the classes encoded: those of the tasks with an image in the batch. The paper
writes the squared distance |w_c - z_c|^2, twice as much for vectors of unit length; this is the
published code's form, and lambda = 8 is that of its runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.prompters.base import Prompter
from softcpt.prompters.classifier import Combine, option
from softcpt.prompters.context_prompter import device_index
from softcpt.prompters.coop import CoOp, CoOpOptions
from softcpt.prompters.zeroshot import template_embeddings
from softcpt.tasks import TaskSet


@dataclass
class KgCoOpOptions(CoOpOptions):
    """Options of KgCoOp; the defaults are those of its published runs."""

    n_ctx: int = option(4, "context vectors, without ctx_init")
    ctx_init: str = option(
        "a photo of a",
        "words whose embeddings the context starts from; their number replaces n_ctx",
    )
    weight: float = option(
        8.0, "lambda: weight of the distance to the hand-written prompts", aliases=("W",)
    )


class KgCoOp(CoOp):
    """CoOp with another loss.

    Attributes:
        hand_written: (C, D) embeddings z of zero-shot CLIP, fixed.
    """

    Options = KgCoOpOptions
    samples_classes = False
    joins_tasks = False
    # Parts of its published prompt learner that no output depends on.
    not_trained = (
        *CoOp.not_trained,
        "bias_vectors",
        "meta_net.linear1.weight",
        "meta_net.linear1.bias",
    )

    options: KgCoOpOptions
    hand_written: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: KgCoOpOptions) -> None:
        super().__init__(clip, tasks, options)
        embeddings = template_embeddings(clip, tasks, max_tokens=options.token_bound)
        self.register_buffer("hand_written", embeddings, persistent=False)

    def loss(
        self, features: Tensor, labels: Tensor, combine: Combine | None = None
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy plus lambda times the mean cosine distance, and the accuracy in %."""
        return held_loss(self, features, labels, self.hand_written, self.options.weight, combine)


def held_loss(
    method: Prompter,
    features: Tensor,
    labels: Tensor,
    hand_written: Tensor,
    weight: float,
    combine: Combine | None = None,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy, as ``combine`` makes it, plus ``weight`` times the mean cosine distance of the
    classes' embeddings to those of ``hand_written`` prompts (C, D); and the accuracy in %."""
    tasks, classes = method.tasks.of_batch(labels)
    embeddings = method.class_embeddings(tasks)
    logits = method.compare(features, embeddings)
    loss, accuracy = method.task_loss(logits, labels, classes, combine)
    cosine = (embeddings * hand_written[device_index(classes, hand_written)]).sum(dim=1)
    return loss + weight * (1 - method.tasks.mean_of_batch(cosine, tasks, classes)), accuracy
