"""What all methods share: frozen towers, class embeddings from a prompt, logits, loss, and the reference's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from softcpt.backbone import Clip
from softcpt.errors import UserError
from softcpt.packing import Layout
from softcpt.prompts import prompt_symbols
from softcpt.tasks import TaskSet


def option(default, help: str, choices: Sequence | None = None, key: str = "", aliases: Sequence[str] = ()):
    """A field of an options dataclass: ``help`` says what it does, ``key`` is its yaml name if not the upper-cased one,
    ``aliases`` are the names that reference implementations give it."""
    return field(default=default, metadata={"help": help, "choices": choices, "key": key, "aliases": tuple(aliases)})


@dataclass
class PromptOptions:
    """Options of every method that encodes class names with learnable contexts."""

    max_text_tokens: int = option(0, "encode at most this many tokens at once, and compute them again in the backward "
                                     "pass: bounds memory for thousands of classes (0: no bound)")

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, choices = getattr(self, entry.name), entry.metadata["choices"]
            if choices and value not in choices:
                raise UserError(f"option {entry.name} = {value!r}: choose from {', '.join(map(str, choices))}")
            if isinstance(value, int) and value < 0:
                raise UserError(f"option {entry.name} = {value}: it counts something, give 0 or more")


class Prompter(nn.Module):
    """A frozen CLIP with a method's trainable prompt.

    A method gives :meth:`class_embeddings`, and :meth:`encode_image` too where it prompts the image tower. Its
    trainable parameters are its only ones, named as in the reference implementations.

    Args:
        clip: the frozen model.
        tasks: the tasks whose classes are told apart.
        options: the method's options.
    """

    Options = PromptOptions

    def __init__(self, clip: Clip, tasks: TaskSet, options: PromptOptions):
        super().__init__()
        # Kept out of the module tree: a prompter's parameters and state are the method's, not CLIP's.
        object.__setattr__(self, "clip", clip)
        self.tasks = tasks
        self.options = options
        clip.text.max_tokens = options.max_text_tokens or None

    @property
    def device(self) -> torch.device:
        """Where the towers are."""
        return self.clip.device

    def class_embeddings(self, tasks: Sequence[int] | None = None) -> Tensor:
        """(C, D) L2-normalised embeddings of all classes in TaskSet order, or (C', D) of the classes of ``tasks``."""
        raise NotImplementedError(f"{type(self).__name__}: a method gives class_embeddings")

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) pre-processed images -> (B, D) L2-normalised features."""
        return F.normalize(self.clip.encode_image(images.to(self.device)), dim=-1)

    def logits(self, features: Tensor, tasks: Sequence[int] | None = None) -> Tensor:
        """(B, D) normalised image features -> (B, C) = exp(logit_scale) * features @ class_embeddings.T."""
        return self.clip.logit_scale.exp() * features @ self.class_embeddings(tasks).t()

    def classifier(self) -> Callable[[Tensor], Tensor]:
        """A function from image features (B, D) to logits (B, C) for many batches: classes are encoded once, now."""
        weights = self.clip.logit_scale.exp() * self.class_embeddings().t()
        return lambda features: features @ weights

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C) logits of all classes of all tasks."""
        return self.logits(self.encode_image(images))

    def loss(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Training loss of a batch from its image features (B, D) and global labels (B,), and the batch's accuracy in %.

        Only tasks with an image in the batch have a part in the loss, so only their classes are encoded.
        """
        present = self.tasks.present(labels)
        logits, targets = self.tasks.restrict(self.logits(features, present), labels, self.tasks.classes_of(present))
        accuracy = 100 * (logits.detach().argmax(dim=1) == targets).float().mean()
        return F.cross_entropy(logits, targets), accuracy

    def reference_state(self) -> dict[str, Tensor]:
        """Trainable tensors under the reference implementations' names ("prompt_learner.ctx", "prompt_gen.proj")."""
        return {name: parameter.detach().clone() for name, parameter in self.named_parameters()}

    def load_reference_state(self, state: Mapping[str, Tensor]) -> None:
        """Load tensors under the reference's names; embeddings of class names (token_prefix, token_suffix) are left out.

        Raises:
            UserError: if a tensor is missing, unknown or of another shape.
        """
        parameters = dict(self.named_parameters())
        given = {
            name: torch.as_tensor(value)
            for name, value in state.items()
            if name.rpartition(".")[2] not in ("token_prefix", "token_suffix")
        }
        for problem, names in (("lacks", parameters.keys() - given.keys()), ("has unknown", given.keys() - parameters)):
            if names:
                raise UserError(f"state for {type(self).__name__}: it {problem} {', '.join(sorted(names))}; "
                                f"it needs exactly {', '.join(parameters) or 'no tensors'}")
        with torch.no_grad():
            for name, parameter in parameters.items():
                if given[name].shape != parameter.shape:
                    raise UserError(
                        f"state for {type(self).__name__}: {name} has shape {tuple(given[name].shape)} and "
                        f"{tuple(parameter.shape)} is needed; use the same tasks, context lengths and backbone"
                    )
                parameter.copy_(given[name])

    def class_layout(self, n_ctx: int, position: str, per_class: bool) -> Layout:
        """Prompts of all classes; a context belongs to a class, or to a task."""
        clip, tasks = self.clip, self.tasks
        prompts = [prompt_symbols(clip.tokenizer, n, n_ctx, position, clip.context_length) for n in tasks.class_names]
        groups = range(tasks.num_classes) if per_class else tasks.task_of_class.numpy()
        return Layout(prompts, groups, n_ctx, clip.text_width)


class Context(nn.Module):
    """Free context vectors ``ctx`` under a module name of the reference."""

    def __init__(self, ctx: Tensor):
        super().__init__()
        self.ctx = nn.Parameter(ctx)


def normalise(features: Tensor) -> Tensor:
    """L2-normalise (N, D) text features in float32 (float64 stays)."""
    return F.normalize(features if features.dtype == torch.float64 else features.float(), dim=-1)
