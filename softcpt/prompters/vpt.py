"""VPT: prompts of the image tower, free vectors beside the image's tokens (Jia et al. 2022, arXiv
2203.12119).

    w_c = text("a photo of a {name of c}.")        constant: encoded once
    f   = image(x; P_1 ... P_L)                    softcpt/prompters/image_prompts.py

As in MVLPT (Shen et al. 2022, arXiv 2211.11720), the prompts serve all tasks, whose classes share
one softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.clip.vit import open_vit
from softcpt.errors import UserError
from softcpt.prompters.base import Prompter, PromptOptions
from softcpt.prompters.classifier import normalise, option
from softcpt.prompters.context_prompter import device_index
from softcpt.prompters.image_prompts import ImagePrompts, encode_with_prompts
from softcpt.prompters.zeroshot import template_embeddings
from softcpt.tasks import TaskSet
from softcpt.utils import parallel

TEMPLATE = "a photo of a {}."


@dataclass
class ImagePromptOptions(PromptOptions):
    """Options of methods that prompt the image tower."""

    softmax: str = option(
        "joint",
        "classes that the training loss tells apart: those of all tasks at once (joint, as "
        "MVLPT does), or those of the image's own task",
        ("joint", "task"),
    )
    deep: bool = option(
        True,
        "prompts of their own for every block of the image tower (False: for the first one only)",
    )
    dropout: float = option(0.0, "share of the image prompts' entries that is left out in training")
    checkpoint: bool = option(
        False,
        "compute the image tower's blocks again in the backward pass: a fraction of the "
        "memory, a third more arithmetic",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dropout >= 1:
            raise UserError(f"option dropout = {self.dropout}: it is a share, give less than 1")


class ImagePrompter(Prompter):
    """A method that prompts the image tower; image features change as it is trained, so none are
    kept.

    Attributes:
        prompt_learner: the trainable prompts; called with a number of images it gives the image
            tower's.
    """

    Options = ImagePromptOptions
    prompts_images = True
    samples_classes = True

    options: ImagePromptOptions
    prompt_learner: ImagePrompts

    def __init__(self, clip: Clip, tasks: TaskSet, options: ImagePromptOptions) -> None:
        super().__init__(clip, tasks, options)
        self.vit = open_vit(clip.model.visual)

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) pre-processed images -> (B, D) L2-normalised features, with gradients to the
        prompts."""
        images, prompts = images.to(self.device), self.prompt_learner(len(images))
        encode = partial(encode_with_prompts, self.vit, recompute=self.options.checkpoint)
        with self.clip.autocast():
            return normalise(parallel.encode_prompted(encode, images, prompts))


@dataclass
class VPTOptions(ImagePromptOptions):
    """Options of VPT."""

    n_ctx: int = option(16, "prompts per block")
    project_dim: int = option(
        0,
        "width of the prompts before a linear layer to the image tower's (0: that width)",
        aliases=("PROJECT",),
    )
    own_template: bool = option(False, 'each task\'s own template in place of "a photo of a {}."')


class VPT(ImagePrompter):
    """Zero-shot CLIP with a prompted image tower.

    Attributes:
        hand_written: (C, D) embeddings of zero-shot CLIP.
    """

    Options = VPTOptions

    options: VPTOptions
    hand_written: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: VPTOptions) -> None:
        super().__init__(clip, tasks, options)
        self.prompt_learner = ImagePrompts(
            self.vit, options.n_ctx, options.deep, options.project_dim, options.dropout
        ).to(clip.device)
        templates = None if options.own_template else [[TEMPLATE]] * len(tasks)
        embeddings = template_embeddings(clip, tasks, templates, options.token_bound)
        self.register_buffer("hand_written", embeddings, persistent=False)

    def class_embeddings(
        self, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(C, D), or (C', D) of the classes of ``tasks`` or of ``classes``; nothing is computed."""
        chosen = self.tasks.chosen(tasks, classes)[1]
        return self.hand_written[device_index(chosen, self.hand_written)]
