"""Zero-shot CLIP: class names in hand-written templates (Radford et al. 2021, section 3.1). Nothing
is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.prompters.base import Prompter, PromptOptions, normalise, option
from softcpt.tasks import Task, TaskSet
from softcpt.text.packing import PackedPrompts
from softcpt.text.prompts import text_symbols

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


@dataclass
class ZeroShotOptions(PromptOptions):
    """Nothing is trained."""


class ZeroShot(Prompter):
    """w_c = text("a photo of a {name of c}."), normalised; the template is the task's."""

    Options = ZeroShotOptions

    def __init__(self, clip: Clip, tasks: TaskSet, options: ZeroShotOptions):
        super().__init__(clip, tasks, options)
        # Every task has as many templates as the first.
        rounds = zip(*(self.templates(task) for task in tasks))
        with torch.no_grad():
            embeddings = sum(self._encode(templates) for templates in rounds)
            self.register_buffer("embeddings", normalise(embeddings), persistent=False)

    def templates(self, task: Task) -> list[str]:
        """The prompts of a task's classes, {} for the name."""
        return [task.template]

    def _encode(self, templates: Sequence[str]) -> Tensor:
        """(C, D) normalised embeddings of all classes, each in its task's one of ``templates``."""
        clip = self.clip
        prompts = [
            text_symbols(
                clip.tokenizer, template.format(name.replace("_", " ")), clip.context_length
            )
            for task, template in zip(self.tasks, templates)
            for name in task.class_names
        ]
        return normalise(
            clip.encode_prompts(PackedPrompts(prompts, width=clip.text_width, share_prefix=False))
        )

    def class_embeddings(self, tasks: Sequence[int] | None = None) -> Tensor:
        """(C, D); computed once."""
        return (
            self.embeddings
            if tasks is None
            else self.embeddings[self.tasks.classes_of(tasks).to(self.device)]
        )


@dataclass
class ZeroShotEnsembleOptions(ZeroShotOptions):
    """Options of the ensemble."""

    own_template: bool = option(
        True, "the task's own template is one of the ensemble; CoOp leaves it out on ImageNet"
    )


class ZeroShotEnsemble(ZeroShot):
    """w_c = mean over templates of normalised text(template of c), normalised again (Radford et al.
    2021, 3.1.4).

    The templates are CLIP's seven select ones and the task's own, as in CoOp's ZeroshotCLIP2.
    """

    Options = ZeroShotEnsembleOptions

    def templates(self, task: Task) -> list[str]:
        """The seven, and the task's own."""
        return [*SELECT_TEMPLATES, *[task.template] * self.options.own_template]
