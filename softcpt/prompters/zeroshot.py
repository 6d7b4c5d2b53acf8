"""Zero-shot CLIP: each class name in its task's hand-written template (Radford et al. 2021, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.backbone import Clip
from softcpt.packing import Layout
from softcpt.prompters.base import Prompter, PromptOptions, normalise
from softcpt.prompts import text_symbols
from softcpt.tasks import TaskSet


@dataclass
class ZeroShotOptions(PromptOptions):
    """Nothing is trained."""


class ZeroShot(Prompter):
    """w_c = text("a photo of a {name of c}."), normalised; the template is the task's."""

    Options = ZeroShotOptions

    def __init__(self, clip: Clip, tasks: TaskSet, options: ZeroShotOptions):
        super().__init__(clip, tasks, options)
        prompts = [
            text_symbols(clip.tokenizer, task.template.format(name.replace("_", " ")), clip.context_length)
            for task in tasks
            for name in task.class_names
        ]
        layout = Layout(prompts, width=clip.text_width, share_prefix=False)
        with torch.no_grad():
            self.register_buffer("embeddings", normalise(clip.encode_prompts(layout)), persistent=False)

    def class_embeddings(self, tasks: Sequence[int] | None = None) -> Tensor:
        """(C, D); computed once."""
        return self.embeddings if tasks is None else self.embeddings[self.tasks.classes_of(tasks).to(self.device)]
