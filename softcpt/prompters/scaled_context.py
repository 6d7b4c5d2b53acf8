"""MPT's context: one for all tasks, scaled for each task by a matrix of rank one (Wang et al., ICLR
2023, arXiv 2303.02861, Eq. 1).

    S_t = P * (u_t v_t^T), element by element

P (L, d) is shared; u_t (L) and v_t (d) are the task's own, so a task that was not trained on has
none.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from softcpt.text.prompts import init_context
from softcpt.utils.supersets import index_of


class ScaledContext(nn.Module):
    """Contexts of the tasks that were trained on.

    P starts at N(0, 0.02^2) as every context here, u and v at 1: so all tasks start from the same
    context, as CoOp-MT's. (peft starts u and v at N(0, 0.02^2), where all gradients are near 0.)
    The paper distils P from prompts that were trained task by task; here P, u and v are trained at
    once.

    Args:
        tasks: T.
        n_ctx, width: L and d.
    """

    def __init__(self, tasks: int, n_ctx: int, width: int) -> None:
        super().__init__()
        self.ctx = nn.Parameter(init_context((n_ctx, width)))
        self.u = nn.Parameter(torch.ones(tasks, n_ctx))
        self.v = nn.Parameter(torch.ones(tasks, width))

    def forward(self, tasks: Sequence[int]) -> Tensor:
        """(T', L, d) contexts of ``tasks``."""
        chosen = index_of(tasks, self.ctx.device)
        scales = self.u[chosen][:, :, None] * self.v[chosen][:, None, :]
        return self.ctx * scales
