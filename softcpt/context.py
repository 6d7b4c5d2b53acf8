"""Context generators: the network that turns a task's (or class's) text feature into its context (SoftCPT, Eq. 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from softcpt.errors import UserError


class ContextGenerator(nn.Module):
    """One bias-free linear map from text features to L context vectors of width d, initialised N(0, 0.02^2).

    Args:
        kind: what of the feature is used. ``lin``: all of it; for features [class ; task], ``linmean``: the mean of
            the two, ``lincls``: the class half.
        features: D, width of one text feature.
        halves: 1 for task features, 2 for [class ; task].
        n_ctx, width: L and d.

    The parameter ``proj`` keeps the reference's name and layout, (in features, L * d). It is float32 whatever the
    precision of the towers.
    """

    def __init__(self, kind: str, features: int, halves: int, n_ctx: int, width: int):
        super().__init__()
        if kind not in ("lin", "linmean", "lincls"):
            raise UserError(f"generator '{kind}': choose lin, linmean or lincls")
        if kind != "lin" and halves == 1:
            raise UserError(f"generator '{kind}': it needs class features (csc=True); use lin")
        self.kind, self.n_ctx, self.width = kind, n_ctx, width
        inputs = features * halves if kind == "lin" else features
        self.proj = nn.Parameter(torch.randn(inputs, n_ctx * width) * 0.02)

    def forward(self, features: Tensor) -> Tensor:
        """(K, D) or (K, 2 D) -> (K, L, d)."""
        if self.kind == "linmean":
            features = features.unflatten(1, (2, -1)).mean(1)
        elif self.kind == "lincls":
            features = features.chunk(2, dim=1)[0]
        return (features.to(self.proj.dtype) @ self.proj).view(-1, self.n_ctx, self.width)
