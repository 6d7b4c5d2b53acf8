"""What every method is: a frozen CLIP, and what was trained or fitted to tell tasks' classes apart.

A method gives ``logits``. One that makes classifiers from class names is a
:class:`softcpt.prompters.base.Prompter`; one that is fitted to image features at once is a
:class:`softcpt.prompters.feature_classifier.FeatureClassifier`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.task_matching import tensors_for_tasks
from softcpt.tasks import TaskSet, cross_entropy, hits, image_losses

if TYPE_CHECKING:
    from typing_extensions import Self

# Makes one loss, 0-dim, of the cross-entropies of a batch's images (B,).
Combine = Callable[[Tensor], Tensor]


def option(
    default: Any,
    help: str,  # noqa: A002 - as argparse calls it
    choices: Sequence[Any] | None = None,
    key: str = "",
    aliases: Sequence[str] = (),
) -> Any:
    """A field of an options dataclass: ``help`` says what it does, ``key`` is its yaml name if not
    the upper-cased one, ``aliases`` are the names that reference implementations give it."""
    return field(
        default=default,
        metadata={"help": help, "choices": choices, "key": key, "aliases": tuple(aliases)},
    )


@dataclass
class MethodOptions:
    """Options of a method, checked when they are made."""

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


@dataclass(frozen=True)
class ContextForm:
    """What contexts must have in common for one to stand in another's place.

    Attributes:
        n_ctx: vectors in each.
        position: place of the class name.
        per_class: whether every class has its own, or every task.
    """

    n_ctx: int
    position: str
    per_class: bool


class TaskClassifier(nn.Module):
    """A frozen CLIP with what a method trains; gives logits of the classes of all tasks.

    Its trainable parameters are its only ones, named as in the reference implementations.

    Args:
        clip: the frozen model.
        tasks: the tasks whose classes are distinguished.
        options: the method's options.

    Attributes:
        prompts_images: whether its image features change as it is trained, so that none can be
            kept.
        local_features: whether its image features are (B, 1 + M, D), the pooled one and those of M
            places of the image.
        unprojected: whether its image features are (B, D'), in front of the tower's projection into
            the joint space.
        makes_contexts: whether it makes contexts from names, which a method that takes them can
            start from.
        takes_contexts: whether it can start from such contexts.
        capturable: whether nothing in its loss depends on values of the host that change from step
            to step, but the tasks of the labels: so that ``OPTIM.GRAPH auto`` can capture it. A
            method of other code has to say so itself.
        not_trained: ends of the names of tensors that reference checkpoints hold although they are
            not trained: embeddings of class names.
        other_names: of tensors in reference checkpoints, and what they are called here.

    Example:
        A method of one's own, a linear layer that is trained step by step:

        >>> class Linear(softcpt.TaskClassifier):
        ...     def __init__(self, clip, tasks, options):
        ...         super().__init__(clip, tasks, options)
        ...         zeros = torch.zeros(tasks.num_classes, clip.embed_dim, device=clip.device)
        ...         self.weight = torch.nn.Parameter(zeros)
        ...     def logits(self, features, tasks=None, classes=None):
        ...         columns = self.tasks.chosen(tasks, classes)[1]
        ...         return features @ self.weight[columns].T
        >>> clip = softcpt.load_clip("tiny")
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> method = Linear(clip, tasks, Linear.Options())
        >>> method(torch.zeros(3, 3, clip.image_size, clip.image_size)).shape
        torch.Size([3, 2])
    """

    Options: type[MethodOptions] = MethodOptions
    prompts_images: bool = False
    local_features: bool = False
    unprojected: bool = False
    makes_contexts: bool = False
    takes_contexts: bool = False
    capturable: bool = False
    not_trained: tuple[str, ...] = ("token_prefix", "token_suffix")
    other_names: Mapping[str, str] = MappingProxyType({})

    clip: Clip
    options: MethodOptions

    def __init__(self, clip: Clip, tasks: TaskSet, options: MethodOptions) -> None:
        super().__init__()
        # Kept out of the module tree: parameters and state are the method's, not CLIP's.
        object.__setattr__(self, "clip", clip)
        self.tasks = tasks
        self.options = options

    @property
    def device(self) -> torch.device:
        """Where the towers are."""
        return self.clip.device

    @property
    def reference_steps(self) -> int:
        """Optimiser steps per batch, and schedule steps per epoch, that the method's published code
        takes (``OPTIM.REFERENCE_SCHEDULE``)."""
        return 1

    # -- classification ----------------------------------------------------------------------------

    def encode_image(self, images: Tensor) -> Tensor:
        """Pre-processed ``images`` (B, 3, H, W) -> (B, D) features as the method takes them, or
        (B, 1 + M, D): ``local_features``."""
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
        """Image features (B, D) -> logits (B, C) of all classes in TaskSet order, or (B, C') of
        those of ``tasks``, or of ``classes`` (C',), ascending global indices."""
        raise NotImplementedError(f"{type(self).__name__}: a method gives logits")

    def classifier(self) -> Callable[[Tensor], Tensor]:
        """A function from image features (B, D) to logits (B, C) for many batches; what does not
        depend on the image is computed once, now."""
        return self.logits

    def own_classifier(self) -> Callable[[Tensor, Tensor], Tensor]:
        """A function like :meth:`classifier`'s that is given the task of each image (B,) too: where
        logits are dear, those of other tasks may be left at -inf."""
        classify = self.classifier()
        return lambda features, _: classify(features)

    def forward(self, images: Tensor) -> Tensor:
        """Pre-processed ``images`` (B, 3, H, W) -> (B, C) logits of all classes of all tasks."""
        return self.logits(self.encode_image(images))

    # -- training ----------------------------------------------------------------------------------

    @property
    def shares_parameters(self) -> bool:
        """Whether the losses of two tasks depend on the same parameters; if not, their gradients
        cannot be in conflict."""
        return True

    def loss(
        self, features: Tensor, labels: Tensor, combine: Combine | None = None
    ) -> tuple[Tensor, Tensor]:
        """Training loss of a batch from its image features (B, D) and global labels (B,), and the
        batch's accuracy in %.

        ``combine`` makes one loss of the images' cross-entropies (B,), as the balance of tasks does
        (softcpt/engine/task_balance.py); None: their mean. What a method adds to the cross-entropy
        is no image's, and so is added behind it.

        Labels (B, K) are those of images with several classes (:class:`softcpt.tasks.TaskSet`):
        each class of a task has an equal share in the image's target, and the image counts as right
        if the best class is one of them. One of several tasks counts as if it stood in the batch
        once per task.

        Its ``backward()`` is the method's: of ProGrad it gives gradients that no single loss has.
        """
        logits, classes = self.training_logits(features, labels)
        return self.task_loss(logits, labels, classes, combine)

    def guessed_loss(
        self, features: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """:meth:`loss` of ``features`` and ``labels`` without a question to the device: what the
        answer would decide is guessed. Third, 0-dim: 1 if the guess was wrong, else 0, and the loss
        is that of :meth:`loss`; None: nothing was guessed."""
        return *self.loss(features, labels), None

    def training_logits(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C') for the multi-task loss, and their classes (C',), from image ``features``
        (B, D) and global ``labels`` (B,): those of tasks with an image in the batch, for no others
        have a part in it."""
        tasks, classes = self.tasks.of_batch(labels)
        return self.logits(features, tasks), classes

    def task_loss(
        self, logits: Tensor, labels: Tensor, classes: Tensor, combine: Combine | None = None
    ) -> tuple[Tensor, Tensor]:
        """Multi-task cross-entropy, and accuracy in %, of logits (B, C') of ``classes`` (C',);
        labels (B,) are global, ``combine`` as in :meth:`loss`."""
        return loss_and_accuracy(*self.tasks.restrict(logits, labels, classes), combine)

    # -- contexts ----------------------------------------------------------------------------------

    @property
    def context_form(self) -> ContextForm | None:
        """What :meth:`contexts` are like; None: the method has none."""
        return None

    def contexts(
        self,
        tasks: Sequence[int] | None = None,  # noqa: ARG002 - of those that have some
        classes: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor | None:
        """(..., K, L, d) the vectors in front of class names, of ``tasks`` or of ``classes`` (None:
        all); None: the method has none."""
        return None

    def start_from_contexts(self, contexts: Tensor, per_class: bool) -> None:
        """Train on from ``contexts`` (T, L, d) of the tasks, or (C, L, d) of their classes
        (``per_class``); of a method that ``takes_contexts``."""
        raise NotImplementedError(f"{type(self).__name__}: it takes no contexts")

    # -- state -------------------------------------------------------------------------------------

    def for_tasks(self, tasks: TaskSet) -> Self:
        """The same method and options for other tasks or classes, with a copy of what was trained.

        What belongs to one task is found by the task's name, what belongs to one class by task and
        class name. What was trained on a single task serves any task, as CoOp's does; so do
        contexts that are made from names.

        Raises:
            UserError: nothing was trained for one of the ``tasks``, or for one of their classes.
        """
        with torch.random.fork_rng(devices=[]):  # starting values are drawn and overwritten
            other = type(self)(self.clip, tasks, self.options)
        other.load_reference_state(self.reference_state(), self.tasks)
        return other.train(self.training)

    def rows(self, name: str) -> str:  # noqa: ARG002 - a method asks for it
        """What the first dimension of the trainable tensor ``name`` counts: "task", "class", or ""
        for neither.

        Tensors of single tasks (``<module>.learners.<task>.<tensor>``) need no mention.
        """
        return ""

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
            trained: the tasks that they were trained on, if not this method's; see
                :meth:`for_tasks`.

        Raises:
            UserError: if a tensor is missing, unknown, of another shape, or holds what is no
                number; or a task or class has none.
        """
        own = self.state_dict()  # the tensors themselves, not copies
        given = {
            self.other_names.get(name, name): torch.as_tensor(value)
            for name, value in state.items()
            if not name.endswith(self.not_trained)
        }
        if trained is None:
            given = self.from_published(given)
        # Contexts of no vectors: codes differ in whether they keep them.
        own = {name: tensor for name, tensor in own.items() if tensor.numel()}
        given = {name: tensor for name, tensor in given.items() if tensor.numel()}
        if trained is not None:
            rows = {name: self.rows(name) for name in own}
            given = tensors_for_tasks(given, trained, self.tasks, rows)
        self._refuse_names("lacks", own.keys() - given.keys(), own)
        self._refuse_names("has unknown", given.keys() - own.keys(), own)
        with torch.no_grad():
            for name, tensor in own.items():
                if given[name].shape != tensor.shape:
                    raise UserError(
                        f"state for {type(self).__name__}: {name} has shape "
                        f"{tuple(given[name].shape)} and {tuple(tensor.shape)} is needed; use the "
                        "same tasks, context lengths and backbone"
                    )
                self._refuse_no_numbers(name, given[name], "train it again")
                tensor.copy_(given[name])

    def refuse_no_numbers(self, remedy: str) -> None:
        """Refuse what was learned where it is no number, before it is kept or scored; ``remedy``
        says what to do.

        Raises:
            UserError: naming the tensor.
        """
        for name, tensor in self.state_dict().items():
            self._refuse_no_numbers(name, tensor, remedy)

    def _refuse_no_numbers(self, name: str, tensor: Tensor, remedy: str) -> None:
        # The bias of a class without images is -inf.
        broken = int((tensor.isnan() | (tensor == torch.inf)).sum())
        if broken:
            raise UserError(
                f"{type(self).__name__}: {broken:,} of {tensor.numel():,} values of {name} are no "
                f"finite number; {remedy}"
            )

    def from_published(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of ``state`` that published code laid out otherwise, as they are laid out
        here."""
        return state

    def _refuse_names(self, problem: str, names: Iterable[str], needed: Iterable[str]) -> None:
        names = sorted(names)
        if names:
            raise UserError(
                f"state for {type(self).__name__}: it {problem} {', '.join(names)}; "
                f"it needs exactly {', '.join(needed) or 'no tensors'}"
            )


def bank_kind(method: type[TaskClassifier]) -> str:
    """The kind of feature bank whose features ``method`` takes (softcpt/features/bank.py)."""
    if method.unprojected:
        return "unprojected"
    return "spatial" if method.local_features else "global"


def loss_and_accuracy(
    logits: Tensor, targets: Tensor, combine: Combine | None = None
) -> tuple[Tensor, Tensor]:
    """Cross-entropy, and accuracy in %, of logits (B, C) and columns (B,) or marks (B, C);
    ``combine`` in place of the mean over images."""
    accuracy = 100 * hits(logits, targets).float().mean()
    if combine is None:
        return cross_entropy(logits, targets), accuracy
    return combine(image_losses(logits, targets)), accuracy


def normalise(features: Tensor) -> Tensor:
    """L2-normalise (..., D) text features in float32 (float64 stays)."""
    return F.normalize(features if features.dtype == torch.float64 else features.float(), dim=-1)
