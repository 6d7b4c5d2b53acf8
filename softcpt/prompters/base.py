"""What all methods share: frozen towers, class embeddings from a prompt, logits, loss, and the
reference's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.task_matching import tensors_for_tasks
from softcpt.tasks import TaskSet, cross_entropy, hits
from softcpt.text.packing import PackedPrompts
from softcpt.text.prompts import prompt_symbols
from softcpt.utils.process_cache import cached


def option(
    default, help: str, choices: Sequence | None = None, key: str = "", aliases: Sequence[str] = ()
):
    """A field of an options dataclass: ``help`` says what it does, ``key`` is its yaml name if not
    the upper-cased one, ``aliases`` are the names that reference implementations give it."""
    return field(
        default=default,
        metadata={"help": help, "choices": choices, "key": key, "aliases": tuple(aliases)},
    )


@dataclass
class PromptOptions:
    """Options of every method that encodes class names with learnable contexts."""

    max_text_tokens: int = option(
        0,
        "encode at most this many tokens at once, and compute them again in the backward "
        "pass: bounds memory for thousands of classes (0: no bound)",
    )
    cls_sample_rate: float = option(
        0.0,
        "training: of each task's classes without an image in the batch, encode this "
        "share, drawn anew for every batch (0: all)",
    )
    softmax: str = option(
        "task",
        "classes that the training loss tells apart: those of the image's own task, or joint: "
        "those of all tasks at once, as MVLPT does",
        ("task", "joint"),
    )

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, choices = getattr(self, entry.name), entry.metadata["choices"]
            if choices and value not in choices:
                raise UserError(
                    f"option {entry.name} = {value!r}: choose from {', '.join(map(str, choices))}"
                )
            if isinstance(value, (int, float)) and value < 0:
                raise UserError(
                    f"option {entry.name} = {value}: it has no negative values, give 0 or more"
                )
        if not 0 <= self.cls_sample_rate <= 1:
            raise UserError(
                f"option cls_sample_rate = {self.cls_sample_rate}: it is a share, give 0 to 1"
            )


class Prompter(nn.Module):
    """A frozen CLIP with a method's trainable prompt.

    A method gives :meth:`class_embeddings`, and :meth:`encode_image` too where it prompts the image
    tower. Its trainable parameters are its only ones, named as in the reference implementations.

    Args:
        clip: the frozen model.
        tasks: the tasks whose classes are told apart.
        options: the method's options.

    Attributes:
        prompts_images: whether its image features change as it is trained, so that none can be
            kept.
        local_features: whether its image features are (B, 1 + M, D), the pooled one and those of M
            places of the image.
        unprojected: whether its image features are (B, D'), in front of the tower's projection into
            the joint space.
        not_trained: ends of the names of tensors that reference checkpoints hold although they are
            not trained: embeddings of class names.
        other_names: of tensors in reference checkpoints, and what they are called here.
        samples_classes: whether its loss can do with some of the classes of a task
            (``cls_sample_rate``).
        reference_steps: optimiser steps per batch, and schedule steps per epoch, that the method's
            published code takes (``OPTIM.REFERENCE_SCHEDULE``).
    """

    Options = PromptOptions
    prompts_images: bool = False
    local_features: bool = False
    unprojected: bool = False
    samples_classes: bool = False
    not_trained: tuple[str, ...] = ("token_prefix", "token_suffix")
    other_names: Mapping[str, str] = {}
    reference_steps: int = 1

    def __init__(self, clip: Clip, tasks: TaskSet, options: PromptOptions):
        super().__init__()
        # Kept out of the module tree: a prompter's parameters and state are the method's, not
        # CLIP's.
        object.__setattr__(self, "clip", clip)
        self.tasks = tasks
        self.options = options
        clip.text.max_tokens = options.max_text_tokens or None
        if options.cls_sample_rate and not self.samples_classes:
            raise UserError(
                f"option cls_sample_rate: {type(self).__name__} encodes all classes of a task; "
                "leave it at 0"
            )
        if options.softmax == "joint" and (
            options.cls_sample_rate or type(self).loss is not Prompter.loss
        ):
            what = "cls_sample_rate" if options.cls_sample_rate else type(self).__name__
            raise UserError(
                f"option softmax = joint: {what} needs the classes of each image's own task; leave "
                "it at task"
            )

    @property
    def device(self) -> torch.device:
        """Where the towers are."""
        return self.clip.device

    def class_embeddings(
        self, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(C, D) L2-normalised embeddings of all classes in TaskSet order, or (C', D) of the
        classes of ``tasks``.

        A method that can encode single classes takes ``classes`` too, ascending global indices
        (C',).
        """
        raise NotImplementedError(f"{type(self).__name__}: a method gives class_embeddings")

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) pre-processed images -> (B, D) L2-normalised features, or (B, 1 + M, D):
        ``local_features``."""
        return self.image_features(
            self.clip.encode_image(
                images.to(self.device),
                spatial=self.local_features,
                unprojected=self.unprojected,
            )
        )

    def image_features(self, features: Tensor) -> Tensor:
        """What the method takes of the frozen tower's features (B, D), or (B, 1 + M, D):
        L2-normalised."""
        return F.normalize(features, dim=-1)

    def logits(
        self, features: Tensor, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(B, D) normalised image features -> (B, C) = exp(logit_scale) * features @
        class_embeddings.T."""
        weights = (
            self.class_embeddings(tasks)
            if classes is None
            else self.class_embeddings(classes=classes)
        )
        return self.clip.logit_scale.exp() * features @ weights.t()

    def classifier(self) -> Callable[[Tensor], Tensor]:
        """A function from image features (B, D) to logits (B, C) for many batches: classes are
        encoded once, now."""
        weights = self.clip.logit_scale.exp() * self.class_embeddings().t()
        return lambda features: features @ weights

    def own_classifier(self) -> Callable[[Tensor, Tensor], Tensor]:
        """A function like :meth:`classifier`'s, told the task of each image (B,): where logits are
        dear, those of other tasks may be left at -inf."""
        classify = self.classifier()
        return lambda features, owners: classify(features)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C) logits of all classes of all tasks."""
        return self.logits(self.encode_image(images))

    def loss(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Training loss of a batch from its image features (B, D) and global labels (B,), and the
        batch's accuracy in %.

        Labels (B, K) are those of images with several classes (:class:`softcpt.tasks.TaskSet`):
        each class has an equal share in the image's target, and the image counts as right if the
        best class is one of them.

        Its ``backward()`` is the method's: of ProGrad it gives gradients that no single loss has.

        Only tasks with an image in the batch have a part in the loss, so only their classes are
        encoded. With ``cls_sample_rate`` the softmax has the columns of the batch's classes and of
        some others drawn at random. A ``joint`` softmax has the columns of all classes.
        """
        if self.options.softmax == "joint":
            return _measured(self.logits(features), self.tasks.joint(labels))
        logits, classes = self.training_logits(features, labels)
        return self.task_loss(logits, labels, classes)

    def training_logits(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C') for the multi-task loss, and their classes (C',): those of tasks with an
        image in the batch."""
        if self.options.cls_sample_rate:
            classes = self.tasks.sample_classes(labels, self.options.cls_sample_rate)
            return self.logits(features, classes=classes), classes
        present, classes = self.tasks.chosen(self.tasks.present(labels))
        return self.logits(features, present), classes

    def task_loss(self, logits: Tensor, labels: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Multi-task cross-entropy, and accuracy in %, of logits (B, C') of ``classes`` (C',);
        labels (B,) are global."""
        return _measured(*self.tasks.restrict(logits, labels, classes))

    def for_tasks(self, tasks: TaskSet) -> Prompter:
        """A prompter of the same method and options for other tasks or classes, with a copy of what
        was trained.

        What belongs to one task is found by the task's name, what belongs to one class by task and
        class name. A prompter of a single task serves any task, as CoOp's does; so do contexts that
        are made from names.

        Raises:
            UserError: nothing was trained for one of the ``tasks``, or for one of their classes.
        """
        with torch.random.fork_rng(devices=[]):  # starting values are drawn and overwritten
            other = type(self)(self.clip, tasks, self.options)
        other.load_reference_state(self.reference_state(), self.tasks)
        return other.train(self.training)

    def rows(self, name: str) -> str:
        """What the first dimension of a trainable tensor counts: "task", "class", or "" for
        neither.

        Tensors of single tasks ("<module>.learners.<task>.<tensor>") need no mention.
        """
        per_class = getattr(self.options, "csc", False) and name.endswith(".ctx")
        return "class" if per_class and self.get_parameter(name).dim() > 2 else ""

    def reference_state(self) -> dict[str, Tensor]:
        """What was learned, under the reference implementations' names ("prompt_learner.ctx",
        "prompt_gen.proj")."""
        return {name: tensor.clone() for name, tensor in self.state_dict().items()}

    def load_reference_state(
        self, state: Mapping[str, Tensor], trained: TaskSet | None = None
    ) -> None:
        """Load tensors under the reference's names; what it saves without training it
        (``not_trained``) is left out.

        Args:
            state: the tensors.
            trained: the tasks that they were trained on, if not this prompter's; see
                :meth:`for_tasks`.

        Raises:
            UserError: if a tensor is missing, unknown or of another shape, or a task or class has
                none.
        """
        parameters = (
            self.state_dict()
        )  # the tensors themselves, parameters and what a method keeps beside them
        given = {
            self.other_names.get(name, name): torch.as_tensor(value)
            for name, value in state.items()
            if not name.endswith(self.not_trained)
        }
        if trained is not None:
            given = tensors_for_tasks(
                given, trained, self.tasks, {name: self.rows(name) for name in parameters}
            )
        for problem, names in (
            ("lacks", parameters.keys() - given.keys()),
            ("has unknown", given.keys() - parameters),
        ):
            if names:
                raise UserError(
                    f"state for {type(self).__name__}: it {problem} {', '.join(sorted(names))}; "
                    f"it needs exactly {', '.join(parameters) or 'no tensors'}"
                )
        with torch.no_grad():
            for name, parameter in parameters.items():
                if given[name].shape != parameter.shape:
                    raise UserError(
                        f"state for {type(self).__name__}: {name} has shape "
                        f"{tuple(given[name].shape)} and "
                        f"{tuple(parameter.shape)} is needed; use the same tasks, context lengths "
                        "and backbone"
                    )
                parameter.copy_(given[name])

    def class_layout(self, n_ctx: int, position: str, per_class: bool) -> PackedPrompts:
        """Prompts of all classes; a context belongs to a class, or to a task."""
        clip, tasks = self.clip, self.tasks

        def make() -> PackedPrompts:
            prompts = [
                prompt_symbols(clip.tokenizer, n, n_ctx, position, clip.context_length)
                for n in tasks.class_names
            ]
            groups = range(tasks.num_classes) if per_class else tasks.task_of_class.numpy()
            return PackedPrompts(prompts, groups, n_ctx, clip.text_width)

        names = tuple(task.class_names for task in tasks)
        return cached(
            "layout",
            (names, n_ctx, position, per_class, clip.context_length, clip.text_width),
            make,
            most=16,
        )


def _measured(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy, and accuracy in %, of logits (B, C) and columns (B,) or marks (B, C)."""
    return cross_entropy(logits, targets), 100 * hits(logits, targets).float().mean()


class Context(nn.Module):
    """Free context vectors ``ctx`` under a module name of the reference."""

    def __init__(self, ctx: Tensor):
        super().__init__()
        self.ctx = nn.Parameter(ctx)


def normalise(features: Tensor) -> Tensor:
    """L2-normalise (..., D) text features in float32 (float64 stays)."""
    return F.normalize(features if features.dtype == torch.float64 else features.float(), dim=-1)
