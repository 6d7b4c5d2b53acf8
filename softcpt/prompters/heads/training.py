"""Training of a head's tensors by cross-entropy: in full batches, or as the published code does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from softcpt.errors import UserError
from softcpt.prompters.classifier import MethodOptions, option
from softcpt.prompters.heads.shots import Shots
from softcpt.utils.sending import send

Loss = Callable[[Tensor, Tensor], Tensor]  # of samples (B, D) and their shares of classes (B, C)

_OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
_MOMENTUM = 0.9
_WARMUP_RATE = 1e-5


@dataclass
class TrainedOptions(MethodOptions):
    """Options of heads that are trained: Adam on all images of a task at once, cosine schedule."""

    lr: float = option(0.002, "learning rate of the first step", key="HEAD_LR")
    steps: int = option(100, "optimiser steps")

    def own(self) -> Recipe:
        """What they say."""
        return Recipe("adam", self.lr, self.steps)


@dataclass
class PublishedOptions(TrainedOptions):
    """The same of heads whose published training asks for no validation images."""

    published: bool = option(
        False, "train as the published code does, with its optimiser, learning rate and epochs"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for entry in fields(self):
            given = entry.name in ("lr", "steps") and getattr(self, entry.name) != entry.default
            if self.published and given:
                key = entry.metadata["key"] or entry.name.upper()
                raise UserError(
                    f"option {entry.name} = {getattr(self, entry.name)}: with PUBLISHED True it is "
                    f"the published one; leave out {key}, or PUBLISHED"
                )

    def choose(self, published: Recipe) -> Recipe:
        """``published`` or one's own."""
        return published if self.published else self.own()


@dataclass(frozen=True)
class Recipe:
    """How a head is trained; the learning rate falls to zero along a cosine.

    Attributes:
        optimiser: adam, adamw, or sgd with momentum 0.9.
        lr: learning rate of the first step, behind a warm-up.
        epochs: how many; of a full batch an epoch is a step.
        batch: most samples of a step; 0: all.
        in_turn: an epoch sees one view of every image, and views take turns; else every view is a
            sample.
        dassl: epochs are Dassl's: as many full batches as there are in the number of images, one
            learning rate in each, in the first 1e-5.
        weight_decay: of the optimiser.
        eps: what Adam adds to its denominator.
    """

    optimiser: str
    lr: float
    epochs: int
    batch: int = 0
    in_turn: bool = False
    dassl: bool = False
    weight_decay: float = 0.0
    eps: float = 1e-8

    def optimise(self, tensors: Sequence[Tensor]) -> torch.optim.Optimizer:
        """The optimiser of ``tensors``."""
        if self.optimiser == "sgd":
            return torch.optim.SGD(
                tensors, self.lr, momentum=_MOMENTUM, weight_decay=self.weight_decay
            )
        kind = _OPTIMISERS[self.optimiser]
        found: torch.optim.Optimizer = kind(
            tensors, self.lr, eps=self.eps, weight_decay=self.weight_decay
        )
        return found

    def count(self, shots: Shots) -> int:
        """Batches of an epoch."""
        images, views, _ = shots.features.shape
        size = self.batch or images * views
        if self.dassl:
            return images // size or 1
        return -(-images * (1 if self.in_turn else views) // size)

    def batches(self, shots: Shots, epoch: int, draw: torch.Generator) -> Iterator[list[Tensor]]:
        """Samples (B, D) and targets (B, C) of an epoch's steps."""
        samples, targets = shots.samples, shots.sample_targets
        if self.in_turn:
            samples, targets = shots.features[:, epoch % shots.features.shape[1]], shots.targets
        if not 0 < self.batch < len(samples):
            yield [samples, targets]
            return
        order = send(torch.randperm(len(samples), generator=draw), samples.device)
        for chosen in order.split(self.batch)[: self.count(shots)]:
            yield [samples[chosen], targets[chosen]]


def minimise(loss: Loss, shots: Shots, tensors: Sequence[Tensor], recipe: Recipe) -> None:
    """Change ``tensors`` in place by steps down ``loss``. Batches are drawn from a seed of their
    own, so the same images give the same result."""
    draw = torch.Generator().manual_seed(0)
    with torch.enable_grad():
        for tensor in tensors:
            tensor.requires_grad_()
        optimiser = recipe.optimise(tensors)
        length = recipe.epochs * (1 if recipe.dassl else recipe.count(shots))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(length, 1))
        for epoch in range(recipe.epochs):
            warming = recipe.dassl and epoch == 0
            if warming:
                optimiser.param_groups[0]["lr"] = _WARMUP_RATE
            for batch in recipe.batches(shots, epoch, draw):
                optimiser.zero_grad()
                torch.autograd.backward(loss(*batch))
                optimiser.step()
                if not recipe.dassl:
                    schedule.step()
            if warming:
                optimiser.param_groups[0]["lr"] = recipe.lr
            elif recipe.dassl:
                schedule.step()
    for tensor in tensors:
        tensor.requires_grad_(False)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over samples of the cross-entropy of logits (B, C) with shares (B, C)."""
    return F.cross_entropy(logits, targets)
