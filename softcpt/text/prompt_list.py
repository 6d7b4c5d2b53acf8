"""Prompts as symbols, and which of them share a context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class PromptList:
    """N prompts in K groups; those of a group share a context.

    Args:
        prompts: symbols of each prompt: token ids (>= 0), and ``slot(i)`` (< 0) for the i-th
            vector of its context.
        groups: group of each prompt (default: all 0); groups are numbered from 0 without gaps.
        n_ctx: L, vectors per context.
    """

    def __init__(
        self,
        prompts: Sequence[Sequence[int]],
        groups: Sequence[int] | None = None,
        n_ctx: int = 0,
    ) -> None:
        self.n_ctx = n_ctx
        self.prompts = [tuple(prompt) for prompt in prompts]
        self.groups = (
            np.zeros(len(self.prompts), dtype=np.int64) if groups is None else np.asarray(groups)
        )
        self.num_groups = int(self.groups.max()) + 1

    def prompts_of(self, groups: Sequence[int]) -> Tensor:
        """Which prompts belong to ``groups``, ascending (N',)."""
        return torch.from_numpy(np.flatnonzero(np.isin(self.groups, np.asarray(groups))))
