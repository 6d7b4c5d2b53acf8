"""Zero-shot CLIP: class names in hand-written templates (Radford et al. 2021, section 3.1). Nothing
is trained.

    w_c = normalised mean over templates of normalised text(template with the name of c)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.prompters.base import Prompter, PromptOptions
from softcpt.prompters.classifier import normalise, option
from softcpt.tasks import Task, TaskSet
from softcpt.text.prompts import texts_symbols
from softcpt.utils.sending import send

# The templates that OpenAI chose, one after the other, as the best few of its 80 for ImageNet (the
# notebook Prompt_Engineering_for_ImageNet of openai/CLIP).
SELECT_TEMPLATES = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)


@torch.no_grad()
def template_embeddings(
    clip: Clip,
    tasks: TaskSet,
    templates: Sequence[Sequence[str]] | None = None,
    max_tokens: int | None = None,
) -> Tensor:
    """(C, D) embeddings of all classes in hand-written prompts, L2-normalised.

    Args:
        clip: the frozen model.
        tasks: whose classes, C of them.
        templates: of each task its templates, {} for the name, as many as of any other task (None:
            the task's own). A class has the mean of its normalised features, normalised again.
        max_tokens: encode at most so many tokens at once.
    """
    if templates is None:
        templates = [[task.template] for task in tasks]
    total = torch.zeros((), device=clip.device)
    for chosen in zip(*templates):
        total = total + _encode(clip, tasks, chosen, max_tokens)
    return normalise(total)


def _encode(clip: Clip, tasks: TaskSet, templates: Sequence[str], bound: int | None) -> Tensor:
    """(C, D) normalised features of all classes, each in its task's one of ``templates``."""
    texts = []
    for task, template in zip(tasks, templates):
        texts += [template.format(name.replace("_", " ")) for name in task.class_names]
    prompts = texts_symbols(clip.tokenizer, texts, clip.context_length)
    packed = clip.prompts(prompts, share_prefix=False)
    return normalise(clip.encode_prompts(packed, max_tokens=bound))


@dataclass
class ZeroShotOptions(PromptOptions):
    """Nothing is trained."""


class ZeroShot(Prompter):
    """w_c = text("a photo of a {name of c}."), normalised; the template is the task's.

    Attributes:
        embeddings: (C, D), computed once.
    """

    Options = ZeroShotOptions

    embeddings: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: ZeroShotOptions) -> None:
        super().__init__(clip, tasks, options)
        templates = [self.templates(task) for task in tasks]
        embeddings = template_embeddings(clip, tasks, templates, options.token_bound)
        self.register_buffer("embeddings", embeddings, persistent=False)

    def templates(self, task: Task) -> list[str]:
        """The prompts of a task's classes, {} for the name; as many for every task."""
        return [task.template]

    def class_embeddings(
        self, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(C, D), or (C', D) of the classes of ``tasks`` or of ``classes``; computed once."""
        if tasks is None and classes is None:
            return self.embeddings
        return self.embeddings[send(self.tasks.chosen(tasks, classes)[1], self.device)]


@dataclass
class ZeroShotEnsembleOptions(ZeroShotOptions):
    """Options of the ensemble."""

    own_template: bool = option(
        True, "the task's own template is one of the ensemble; CoOp leaves it out on ImageNet"
    )


class ZeroShotEnsemble(ZeroShot):
    """The mean over CLIP's seven select templates and the task's own, as in CoOp's ZeroshotCLIP2
    (Radford et al. 2021, 3.1.4)."""

    Options = ZeroShotEnsembleOptions

    options: ZeroShotEnsembleOptions

    def templates(self, task: Task) -> list[str]:
        """The seven, and the task's own."""
        own = [task.template] if self.options.own_template else []
        return [*SELECT_TEMPLATES, *own]
