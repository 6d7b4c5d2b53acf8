"""UPT: prompts of both towers, made together by a small network (Zang et al. 2022, arXiv
2210.07225; MVLPT's form).

    [T' ; V'_1 ... V'_L] = out(block(in([T ; V_1 ... V_L])))
    w_c = text([SOS] T'_1 ... name of c ... T'_N . [EOS]),   f = image(x; V'_1 ... V'_L)

T (N, d) are prompts of the text tower, V_i (N, d_v) those of the image tower's i-th block.
in and out are linear layers between the towers' widths and h, a pair for each tower; block is a
residual attention block of width h, or GELU alone (mlp). With identity there is no network: T' = T
and V' = V.

In the paper all vectors are one sequence to the block. The published code lays them out as
sequences of one vector each: text and image prompts share the block's weights, and nothing mixes
them. The code's way is the default, ``mix`` the paper's. One set of prompts serves all tasks, whose
classes share one softmax (Shen et al. 2022, arXiv 2211.11720).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from open_clip.transformer import QuickGELU, Transformer
from torch import Tensor, nn

from softcpt.clip.model import Clip
from softcpt.clip.vit import Vit
from softcpt.errors import UserError
from softcpt.prompters.classifier import normalise, option
from softcpt.prompters.context_prompter import POSITIONS, device_index, pack_names
from softcpt.prompters.image_prompts import ImagePrompts
from softcpt.prompters.vpt import ImagePrompter, ImagePromptOptions
from softcpt.tasks import TaskSet
from softcpt.text.prompts import init_context, words_context
from softcpt.utils.rows import take
from softcpt.utils.supersets import refuse_superset

PROJECTIONS = ("transformer", "mlp", "identity")


@dataclass
class UPTOptions(ImagePromptOptions):
    """Options of UPT."""

    n_ctx: int = option(
        4, "context vectors of the text tower, and prompts per block of the image tower"
    )
    visual_n_ctx: int = option(0, "prompts per block of the image tower, if not n_ctx")
    csc: bool = option(False, "a text context of its own for every class")
    ctx_init: str = option(
        "", "words whose embeddings the text context starts from; their number replaces n_ctx there"
    )
    position: str = option(
        "middle",
        "place of the class name",
        POSITIONS,
        key="CLASS_TOKEN_POSITION",
        aliases=("TOKEN_POSITION", "POSITION"),
    )
    project: str = option(
        "transformer", "network that makes the prompts", PROJECTIONS, aliases=("PROJECT_METHOD",)
    )
    project_dim: int = option(128, "h: width of that network")
    mix: bool = option(
        False,
        "all prompts attend to each other in the transformer, as in the paper; in the published "
        "code none does",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.project_dim < 1:
            raise UserError(
                f"option project_dim = {self.project_dim}: it is the network's width; give 1 or "
                "more"
            )


class UnifiedPrompts(ImagePrompts):
    """Prompts of both towers and the network, under the names of MVLPT's published code; float32 at
    any precision.

    Attributes:
        ctx: (N, d), or with ``csc`` (C, N, d).
        mvlpt_proj: the network between the linear layers.

    Args:
        clip: whose text tower has the width d.
        vit: its image tower.
        options: of UPT.
        classes: C.
    """

    def __init__(self, clip: Clip, vit: Vit, options: UPTOptions, classes: int) -> None:
        super().__init__(
            vit, options.visual_n_ctx or options.n_ctx, options.deep, dropout=options.dropout
        )
        if options.ctx_init:
            self.ctx = nn.Parameter(
                words_context(options.ctx_init, clip.tokenizer, clip.embed_tokens)
            )
        else:
            shape = [options.n_ctx, clip.text_width]
            self.ctx = nn.Parameter(init_context([classes, *shape] if options.csc else shape))
        self.sequence_dim = 0 if options.mix else 1
        self.projects = options.project != "identity"
        if self.projects:
            hidden = options.project_dim
            self.mvlpt_proj_ctx_coop_pre, self.mvlpt_proj_ctx_coop_post = _in_and_out(
                clip.text_width, hidden
            )
            self.mvlpt_proj_ctx_vpt_pre, self.mvlpt_proj_ctx_vpt_post = _in_and_out(
                vit.width, hidden
            )
            block = options.project == "transformer"
            self.mvlpt_proj = (
                Transformer(hidden, layers=1, heads=1, act_layer=QuickGELU) if block else nn.GELU()
            )

    def both(self) -> tuple[Tensor, Tensor]:
        """The text contexts (N, d) or (C, N, d), and the image prompts (L or 1, N, d_v)."""
        text, image = self.ctx, self.embeddings()
        if not self.projects:
            return text, image
        ins = (
            self.mvlpt_proj_ctx_coop_pre(text.flatten(0, -2)),
            self.mvlpt_proj_ctx_vpt_pre(image.flatten(0, 1)),
        )
        projected = self.mvlpt_proj(torch.cat(ins).unsqueeze(self.sequence_dim)).squeeze(
            self.sequence_dim
        )
        outs = projected.split([len(part) for part in ins])
        return (
            self.mvlpt_proj_ctx_coop_post(outs[0]).view(text.shape),
            self.mvlpt_proj_ctx_vpt_post(outs[1]).view(image.shape),
        )

    def forward(self, images: int) -> Tensor:
        """The image prompts for a number of images, (L or 1, 1 or B, N, d_v)."""
        return self.drop(self.both()[1], images)


def _in_and_out(width: int, hidden: int) -> tuple[nn.Module, nn.Module]:
    """Linear layers to the network's width and back; none where it is the same."""
    if width == hidden:
        return nn.Identity(), nn.Identity()
    return nn.Linear(width, hidden), nn.Linear(hidden, width)


class UPT(ImagePrompter):
    """Text contexts and image prompts from one network.

    Attributes:
        packed_prompts: those of all classes; one context serves all, or with ``csc`` each has its
            own.
    """

    Options = UPTOptions

    options: UPTOptions
    prompt_learner: UnifiedPrompts

    def __init__(self, clip: Clip, tasks: TaskSet, options: UPTOptions) -> None:
        super().__init__(clip, tasks, options)
        self.prompt_learner = UnifiedPrompts(clip, self.vit, options, tasks.num_classes).to(
            clip.device
        )
        ctx = self.prompt_learner.ctx
        self.per_class = ctx.dim() == 3
        groups = range(tasks.num_classes) if self.per_class else None
        self.packed_prompts = pack_names(
            clip, tasks.class_names, ctx.shape[-2], options.position, groups
        )

    def class_embeddings(
        self, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(C, D), or (C', D) of the classes of ``tasks`` or of ``classes``."""
        refuse_superset("its contexts are of no task")
        chosen = self.tasks.chosen(tasks, classes)[1]
        contexts = self.prompt_learner.both()[0]
        if self.per_class:
            own = take(contexts, device_index(chosen, contexts))
            features = self.encode_prompts(self.packed_prompts, own, groups=chosen.tolist())
        else:
            features = self.encode_prompts(self.packed_prompts, contexts[None], prompts=chosen)
        return normalise(features)

    def rows(self, name: str) -> str:
        """With ``csc`` a context has a row for every class."""
        return "class" if self.per_class and name.endswith(".ctx") else ""
