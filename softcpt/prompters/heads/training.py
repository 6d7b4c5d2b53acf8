"""Full-batch training of a head's tensors by cross-entropy: every step sees all images and views of
a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from softcpt.prompters.classifier import MethodOptions, option


@dataclass
class TrainedOptions(MethodOptions):
    """Options of heads that are trained: AdamW on all images of a task at once, cosine schedule."""

    lr: float = option(0.002, "learning rate of the first step", key="HEAD_LR")
    steps: int = option(100, "optimiser steps")


def minimise(
    loss: Callable[[], Tensor], tensors: Sequence[Tensor], options: TrainedOptions
) -> None:
    """Change ``tensors`` in place by Adam's steps down ``loss``; the learning rate falls to zero
    along a cosine. Nothing is drawn, so the same images give the same result."""
    with torch.enable_grad():
        for tensor in tensors:
            tensor.requires_grad_()
        optimiser = torch.optim.Adam(tensors, lr=options.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(options.steps, 1))
        for _ in range(options.steps):
            optimiser.zero_grad()
            torch.autograd.backward(loss())
            optimiser.step()
            schedule.step()
    for tensor in tensors:
        tensor.requires_grad_(False)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over samples of the cross-entropy of logits (B, C) with shares (B, C)."""
    return F.cross_entropy(logits, targets)
