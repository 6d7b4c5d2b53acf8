"""Prompts as symbols, and which of them share a context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Symbols = Sequence[Sequence[int]]


class PromptList:
    """N prompts in K groups; those of a group share a context.

    Args:
        prompts: symbols of each prompt: token ids (>= 0), and ``slot(i)`` (< 0) for the i-th
            vector of its context.
        groups: group of each prompt (default: all 0); groups are numbered from 0 without gaps.
        n_ctx: L, vectors per context.
    """

    def __init__(
        self, prompts: Symbols, groups: Sequence[int] | None = None, n_ctx: int = 0
    ) -> None:
        self.n_ctx = n_ctx
        self.prompts = [tuple(prompt) for prompt in prompts]
        self.groups = np.asarray([0] * len(self.prompts) if groups is None else groups, np.int64)
        self.num_groups = int(self.groups.max()) + 1
        # Prompts by group, and where each group's begin: a step asks for some groups of many.
        self._by_group = np.argsort(self.groups, kind="stable")
        self._counts = np.bincount(self.groups)
        self._first = np.cumsum(self._counts) - self._counts

    def prompts_of(self, groups: Sequence[int]) -> Tensor:
        """Which prompts belong to ``groups``, ascending (N',)."""
        wanted = np.unique(np.asarray(groups, dtype=np.int64))
        counts = self._counts[wanted]
        inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        found = self._by_group[np.repeat(self._first[wanted], counts) + inside]
        return torch.from_numpy(np.sort(found))
