"""Context generators: the network that turns a task's (or class's) text feature into its context
(SoftCPT, Eq. 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from softcpt.errors import UserError

GENERATORS = ("lin", "linmean", "lincls", "lowrank", "mlp")
# Those that read no feature of a task: class_name_attention.py and scaled_context.py beside this.
OTHER_GENERATORS = ("fedtpg", "mpt")


class ContextGenerator(nn.Module):
    """A network without biases from text features x to L context vectors of width d.

    ========  ==============  ========================================================
    lin       x W             the published one, W (D, L d)
    linmean   (x1 + x2) W/2   for x = [x1 ; x2] = [class ; task], the mean of the two
    lincls    x1 W            for x = [class ; task], the class half
    lowrank   x A B           W = A B with A (D, r) and B (r, L d): W is most of SoftCPT
    mlp       relu(x A) B     one hidden layer of r units, as CoCoOp's meta network has
    ========  ==============  ========================================================

    The published kinds start at W ~ N(0, 0.02^2). The others start with contexts of the same mean
    and variance: B ~ N(0, 0.02^2), and A ~ N(0, 1/r), for mlp N(0, 2/r), so that what B sees is as
    long as x on average.

    Args:
        kind: of the table.
        features: D, width of one text feature.
        halves: 1 for task features, 2 for [class ; task]; then ``lin``, ``lowrank`` and ``mlp``
            have 2 D inputs.
        n_ctx, width: L and d.
        rank: r, of lowrank and mlp.

    The parameter ``proj`` is W under the reference's name and in its layout, (in features, L d);
    ``down`` and ``up`` are A and B. They are float32 whatever the precision of the towers.
    """

    def __init__(
        self, kind: str, features: int, halves: int, n_ctx: int, width: int, rank: int = 64
    ) -> None:
        super().__init__()
        if kind not in GENERATORS:
            raise UserError(f"generator '{kind}': choose from {', '.join(GENERATORS)}")
        if kind in ("linmean", "lincls") and halves == 1:
            raise UserError(
                f"generator '{kind}': it needs class features (csc=True); use lin, lowrank or mlp"
            )
        self.kind, self.n_ctx, self.width = kind, n_ctx, width
        if kind in ("lowrank", "mlp"):
            if rank < 1:
                raise UserError(
                    f"generator '{kind}' with rank = {rank}: it needs a width; give 1 or more"
                )
            gain = 2 if kind == "mlp" else 1
            self.down = nn.Parameter(torch.randn(features * halves, rank) * (gain / rank) ** 0.5)
            self.up = nn.Parameter(torch.randn(rank, n_ctx * width) * 0.02)
        else:
            inputs = features * halves if kind == "lin" else features
            self.proj = nn.Parameter(torch.randn(inputs, n_ctx * width) * 0.02)

    def forward(self, features: Tensor) -> Tensor:
        """(K, D) or (K, 2 D) -> (K, L, d)."""
        features = features.to(next(self.parameters()).dtype)
        if self.kind == "linmean":
            features = features.view(len(features), 2, -1).mean(1)
        elif self.kind == "lincls":
            features = features.chunk(2, dim=1)[0]
        if self.kind == "lowrank":
            contexts = features @ self.down @ self.up
        elif self.kind == "mlp":
            contexts = torch.relu(features @ self.down) @ self.up
        else:
            contexts = features @ self.proj
        return contexts.view(-1, self.n_ctx, self.width)
