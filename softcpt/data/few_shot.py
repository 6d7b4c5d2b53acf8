"""Draws few-shot images exactly as CoOp draws them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any


def few_shot_indices(
    split: Mapping[str, Sequence[Sequence[Any]]], shots: int, seed: int
) -> dict[str, list[int]]:
    """Which images of a split are a few-shot draw: positions in its ``train`` and ``val`` lists.

    CoOp's procedure: seed Python's generator, group the list by label in order of first appearance,
    draw ``shots`` of each group without replacement (all of a smaller group); first ``train``, then
    ``val`` with min(shots, 4). The generator is our own, so a draw depends on nothing but the
    split, the shots and the seed.

    Args:
        split: {"train": [[path, label, class name], ...], "val": [...]}.
        shots: images per class; below 1: all, undrawn.
        seed: of the draw.

    Returns:
        {"train": positions in the list of that name, "val": positions}, in the order of the draw.

    Example:
        >>> rows = [["a.jpg", 0, "cat"], ["b.jpg", 0, "cat"], ["c.jpg", 1, "dog"]]
        >>> softcpt.few_shot_indices({"train": rows, "val": []}, shots=1, seed=1)
        {'train': [0, 2], 'val': []}
    """
    generator = random.Random(seed)
    drawn = {}
    for part, wanted in (("train", shots), ("val", min(shots, 4))):
        if shots < 1:
            drawn[part] = list(range(len(split.get(part, ()))))
            continue
        groups: dict[Any, list[int]] = {}
        for index, row in enumerate(split.get(part, ())):
            groups.setdefault(row[1], []).append(index)
        chosen: list[int] = []
        for group in groups.values():
            chosen += generator.sample(group, wanted) if len(group) >= wanted else group
        drawn[part] = chosen
    return drawn
