"""An image tower with prompts: learnable tokens beside those of the image (Jia et al. 2022, arXiv
2203.12119).

    shallow:  [x_1, Z_1] = B_1([x_0, P]),      [x_i, Z_i] = B_i([x_{i-1}, Z_{i-1}])
    deep:     [x_i, _]   = B_i([x_{i-1}, P_i])                 for the blocks i = 1 ... L

x are the tower's own tokens after positions and ln_pre, which prompts do not go through. The
feature is read from x_L. The tower is frozen and its code stays as it is. Left out, exactly:

1. what deep prompts would become in their block: nothing reads it, so they get keys and values and
   nothing else, once for all images unless dropout makes them differ;
2. in the last block, everything but keys and values of tokens that are not read;
3. gradients of what comes before the first prompt.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from softcpt.clip.vit import Vit


class ImagePrompts(nn.Module):
    """Trainable prompts of an image tower, under the names of MVLPT's published code.

    Attributes:
        vpt_embeddings: (1, N, p), the first block's prompts.
        vpt_embeddings_deep: (L - 1, N, p), those of the other blocks; None if shallow.
        vpt_proj: linear layer from p to the tower's width, the same for all; none if they have that
            width.

    Args:
        vit: the tower.
        n_ctx: N.
        deep: prompts of their own for every block.
        project_dim: p; 0 for the tower's width.
        dropout: of the prompts' entries in training, drawn for every image.
    """

    def __init__(
        self, vit: Vit, n_ctx: int, deep: bool = True, project_dim: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dropout = dropout
        width = project_dim or vit.width
        self.vpt_proj = _projection(width, vit.width) if project_dim else nn.Identity()
        bound = (6 / (3 * vit.patch_area + width)) ** 0.5
        self.vpt_embeddings = nn.Parameter(torch.empty(1, n_ctx, width).uniform_(-bound, bound))
        further = (
            torch.empty(len(vit.blocks) - 1, n_ctx, width).uniform_(-bound, bound) if deep else None
        )
        self.vpt_embeddings_deep = None if further is None else nn.Parameter(further)

    def embeddings(self) -> Tensor:
        """(L or 1, N, p): all blocks' prompts, or the first's."""
        deep = self.vpt_embeddings_deep
        return self.vpt_embeddings if deep is None else torch.cat([self.vpt_embeddings, deep])

    def drop(self, prompts: Tensor, images: int) -> Tensor:
        """(L or 1, N, d) -> (L or 1, 1, N, d), or in training with dropout (L or 1, B, N, d)."""
        prompts = prompts[:, None]
        if self.training and self.dropout:
            prompts = F.dropout(prompts.expand(-1, images, -1, -1), self.dropout)
        return prompts

    def forward(self, images: int) -> Tensor:
        """The prompts for a number of images, (L or 1, 1 or B, N, d)."""
        return self.drop(self.vpt_proj(self.embeddings()), images)


def _projection(width: int, tower: int) -> nn.Linear:
    """From the prompts' own width to the tower's, started as in MVLPT's published code."""
    linear = nn.Linear(width, tower)
    nn.init.kaiming_normal_(linear.weight, a=0, mode="fan_out")
    return linear


def encode_with_prompts(
    vit: Vit, images: Tensor, prompts: Tensor, recompute: bool = False
) -> Tensor:
    """Image features (B, D), not normalised.

    Args:
        vit: the tower.
        images: (B, 3, H, W), pre-processed.
        prompts: (L, 1 or B, N, d), a set for every block: deep; or (1, 1 or B, N, d): shallow.
        recompute: keep only what goes into the blocks, and compute each again in the backward pass:
            a fraction of the memory for a third more arithmetic.
    """
    with torch.no_grad():
        x = vit.embed(images.to(vit.dtype))
    own, last = x.shape[1], len(vit.blocks) - 1
    prompts = prompts.to(x.dtype)
    deep = len(prompts) > 1
    if not deep:
        x = torch.cat([x, prompts[0].expand(x.shape[0], -1, -1)], dim=1)
    for index, block in enumerate(vit.blocks):
        arguments = (
            x,
            prompts[index] if deep else None,
            (vit.rows or own) if index == last else None,
        )
        if recompute and torch.is_grad_enabled():
            x = checkpoint(block, *arguments, use_reentrant=False, preserve_rng_state=False)
        else:
            x = block(*arguments)
    return vit.read(x)
