"""What prompters with a context per task or per class share (CoOp and its kin, SoftCPT).

w_c = text([SOS] v_1 ... v_L name of c . [EOS])        v: the context of c's task, or of c
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.base import Prompter
from softcpt.prompters.classifier import ContextForm, normalise
from softcpt.text.prompt_list import PromptList
from softcpt.text.prompts import Position, prompts_symbols
from softcpt.utils.process_cache import cached
from softcpt.utils.supersets import index_of, refuse_superset

POSITIONS: tuple[Position, ...] = ("end", "middle", "front")


class Context(nn.Module):
    """Free context vectors ``ctx`` under a module name of the reference."""

    def __init__(self, ctx: Tensor) -> None:
        super().__init__()
        self.ctx = nn.Parameter(ctx)


class ContextPrompter(Prompter):
    """A prompter that gives :meth:`contexts`; call :meth:`pack_class_names` when it is built.

    Attributes:
        packed_prompts: the prompts of all classes, grouped by what shares a context.
        per_class: whether a context belongs to a class, or to a task.
    """

    packed_prompts: PromptList
    per_class: bool

    def pack_class_names(self, n_ctx: int, position: str, per_class: bool) -> None:
        """Prepare the prompts of all classes with ``n_ctx`` context vectors."""
        clip, tasks = self.clip, self.tasks
        self.per_class = per_class
        self._form = ContextForm(n_ctx, position, per_class)
        groups = range(tasks.num_classes) if per_class else tasks.task_of_class.tolist()
        names = tuple(task.class_names for task in tasks)
        self.packed_prompts = cached(
            "packed prompts",
            (names, n_ctx, position, per_class, clip.prompt_form),
            lambda: pack_names(clip, tasks.class_names, n_ctx, position, groups),
            most=16,
        )

    @property
    def context_form(self) -> ContextForm:
        """What :meth:`contexts` are like."""
        return self._form

    def contexts(self, tasks: Sequence[int] | None = None, classes: Tensor | None = None) -> Tensor:
        """(K, L, d): a context for each of ``tasks`` (None: all), or of those of ``classes``; with
        ``per_class`` one for each class."""
        raise NotImplementedError(f"{type(self).__name__}: it gives contexts")

    def groups(self, tasks: Sequence[int], classes: Tensor) -> Sequence[int]:
        """The groups of ``packed_prompts`` whose contexts :meth:`contexts` gives: tasks, or
        classes."""
        if not self.per_class:
            return tasks
        refuse_superset("each class has a context of its own")
        numbers: list[int] = classes.tolist()
        return numbers

    def text_features(
        self, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(..., C, D), or (..., C', D) of the classes of ``tasks`` or of ``classes``; not
        normalised."""
        groups = self.groups(*self.tasks.chosen(tasks, classes))
        contexts = self.contexts(tasks, classes)
        return self.encode_prompts(self.packed_prompts, contexts, groups=groups, prompts=classes)

    def class_embeddings(
        self, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(C, D) or, of the classes of ``tasks`` or of ``classes``, (C', D)."""
        return normalise(self.text_features(tasks, classes))


def pack_names(
    clip: Clip,
    names: Sequence[str],
    n_ctx: int,
    position: str = "end",
    groups: Sequence[int] | None = None,
) -> PromptList:
    """Prompts of class or task names with ``n_ctx`` context vectors; ``groups``: which context each
    has (None: all the same).

    Raises:
        UserError: there is no such position, or a prompt is too long for the model.
    """
    place, longest = _position(position), clip.context_length
    prompts = prompts_symbols(clip.tokenizer, names, n_ctx, place, longest)
    return clip.prompts(prompts, groups, n_ctx)


def _position(text: str) -> Position:
    for position in POSITIONS:
        if text == position:
            return position
    raise UserError(f"position '{text}': choose end, middle or front")


def device_index(chosen: Sequence[int] | Tensor, of: Tensor) -> Tensor:
    """Indices into ``of``, on its device."""
    return index_of(chosen, of.device)
