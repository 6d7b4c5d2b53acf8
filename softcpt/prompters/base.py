"""What all prompters share: class embeddings from class names, compared with image features.

    logit of c = exp(logit_scale) * f . w_c

f is the image feature, w_c the embedding of class c; both have unit length.

With ``cls_sample_rate`` the training loss has the columns of the batch's classes and of some others
drawn at random; with a ``joint`` softmax those of the classes of all tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.classifier import (
    Combine,
    MethodOptions,
    TaskClassifier,
    loss_and_accuracy,
    option,
)
from softcpt.tasks import TaskSet
from softcpt.text.prompt_list import PromptList


@dataclass
class PromptOptions(MethodOptions):
    """Options of every method that encodes class names with learnable contexts."""

    max_text_tokens: int = option(
        0,
        "encode at most this many tokens at once, and compute them again in the backward "
        "pass: bounds memory for thousands of classes (0: no bound)",
    )
    cls_sample_rate: float = option(
        0.0,
        "training: of each task's classes without an image in the batch, encode this "
        "share, drawn again for every batch (0: all)",
    )
    softmax: str = option(
        "task",
        "classes that the training loss tells apart: those of the image's own task, or joint: "
        "those of all tasks at once, as MVLPT does",
        ("task", "joint"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.cls_sample_rate <= 1:
            raise UserError(
                f"option cls_sample_rate = {self.cls_sample_rate}: it is a share, give 0 to 1"
            )

    @property
    def token_bound(self) -> int | None:
        """``max_text_tokens`` as :meth:`softcpt.clip.model.Clip.encode_prompts` takes it."""
        return self.max_text_tokens or None


class Prompter(TaskClassifier):
    """A method whose classifier is made of class embeddings; gives :meth:`class_embeddings`, and
    :meth:`encode_image` too where it prompts the image tower.

    Args:
        clip: the frozen model.
        tasks: the tasks whose classes are distinguished.
        options: the method's options, an instance of its ``Options``.

    Attributes:
        samples_classes: whether its loss can do with some of the classes of a task
            (``cls_sample_rate``).
        joins_tasks: whether its loss can tell the classes of all tasks apart at once (``softmax``
            joint).

    Raises:
        UserError: an option does not go with the method, or with another.

    Example:
        >>> clip = softcpt.load_clip("tiny")
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> prompter = softcpt.build_method("SoftCPT", clip, tasks, n_ctx=4)
        >>> prompter.class_embeddings().shape
        torch.Size([2, 256])
        >>> features = prompter.encode_image(torch.zeros(3, 3, clip.image_size, clip.image_size))
        >>> labels = torch.tensor([0, 1, 1], device=prompter.device)
        >>> loss, accuracy = prompter.loss(features, labels)
        >>> loss.backward()  # gradients of what is trained; the CLIP has none
    """

    Options: type[MethodOptions] = PromptOptions
    samples_classes: bool = False
    joins_tasks: bool = True

    options: PromptOptions

    def __init__(self, clip: Clip, tasks: TaskSet, options: PromptOptions) -> None:
        super().__init__(clip, tasks, options)
        name = type(self).__name__
        if options.cls_sample_rate and not self.samples_classes:
            raise UserError(
                f"option cls_sample_rate: {name} encodes all classes of a task; leave it at 0"
            )
        if options.softmax == "joint" and (options.cls_sample_rate or not self.joins_tasks):
            what = "cls_sample_rate" if options.cls_sample_rate else name
            raise UserError(
                f"option softmax = joint: {what} needs the classes of each image's own task; leave "
                "it at task"
            )

    def class_embeddings(
        self, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(C, D) L2-normalised embeddings of all classes in TaskSet order, or (C', D) of the
        classes of ``tasks``, or of ``classes`` (C',), ascending global indices."""
        raise NotImplementedError(f"{type(self).__name__}: a prompter gives class_embeddings")

    def encode_prompts(
        self,
        packed: PromptList,
        contexts: Tensor | None = None,
        groups: Sequence[int] | None = None,
        prompts: Sequence[int] | Tensor | None = None,
    ) -> Tensor:
        """(..., N', D) text features, not normalised, with this prompter's bound on memory:
        :meth:`softcpt.Clip.encode_prompts` of ``packed`` prompts, with ``contexts``, their
        ``groups``, and which of the ``prompts``."""
        return self.clip.encode_prompts(
            packed,
            contexts,
            groups=groups,
            prompts=prompts,
            max_tokens=self.options.token_bound,
        )

    def compare(self, features: Tensor, embeddings: Tensor) -> Tensor:
        """Scaled cosines (B, C') of image features (B, D) and class embeddings (C', D)."""
        return self.clip.logit_scale.exp() * features @ embeddings.t()

    def logits(
        self, features: Tensor, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(B, D) normalised image features -> (B, C) = exp(logit_scale) * features @
        class_embeddings.T; of ``tasks`` or ``classes`` (B, C')."""
        return self.compare(features, self.class_embeddings(tasks, classes))

    def classifier(self) -> Callable[[Tensor], Tensor]:
        """A function from image features (B, D) to logits (B, C) for many batches: classes are
        encoded once, now."""
        weights = self.clip.logit_scale.exp() * self.class_embeddings().t()
        return lambda features: features @ weights

    def loss(
        self, features: Tensor, labels: Tensor, combine: Combine | None = None
    ) -> tuple[Tensor, Tensor]:
        """As of every method; with ``softmax`` joint over the classes of all tasks."""
        if self.options.softmax == "joint":
            logits, labels = self.tasks.of_pairs(self.logits(features), labels)
            return loss_and_accuracy(logits, self.tasks.joint(labels), combine)
        return super().loss(features, labels, combine)

    def training_logits(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """As of every method; with ``cls_sample_rate`` of some of the present tasks' classes."""
        if not self.options.cls_sample_rate:
            return super().training_logits(features, labels)
        classes = self.tasks.sample_classes(labels, self.options.cls_sample_rate)
        return self.logits(features, classes=classes), classes
