"""Measures how alike tasks look and their classes are called, and whether either predicts what they
gain from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from softcpt.prompters.zeroshot import template_embeddings
from softcpt.tasks import Task, TaskSet

PERMUTATIONS = 9999


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of gains with a similarity, and its p-value by permuting tasks
    (Mantel's test)."""

    rho: float
    p: float


@torch.no_grad()
def similarities(cfg: Any, tasks: tuple[int, ...]) -> dict[str, np.ndarray]:
    """By kind, "visual" or "label": (T, T), how well source i covers target j, in [-1, 1].

    Both are the mean over j's classes of the largest cosine with one of i's: visual between the
    classes' mean features of their training images, label between the embeddings of "a photo of a
    {class name}.".

    Args:
        cfg: zero-shot CLIP on all tasks of the data.
        tasks: numbers of those that are compared.
    """
    from dassl.engine import build_trainer

    from softcpt.engine.backbone_input import build_input_transform

    trainer = build_trainer(cfg)
    items, centre = trainer.data.items["train"], build_input_transform(cfg, is_train=False)
    features = trainer.data.maker.bank.features(
        [item.impath for item in items], centre, None, cfg.DATASET.ROOT
    )
    features = F.normalize(torch.as_tensor(features).float(), dim=-1)
    labels = torch.tensor([item.label for item in items])
    means = torch.stack(
        [features[labels == label].mean(dim=0) for label in range(trainer.tasks.num_classes)]
    )
    named = TaskSet([Task(task.name, task.class_names) for task in trainer.tasks])
    names = template_embeddings(trainer.clip, named).float().cpu()
    return {
        "visual": coverage(means, trainer.tasks, tasks),
        "label": coverage(names, trainer.tasks, tasks),
    }


def coverage(classes: Tensor, tasks: TaskSet, chosen: tuple[int, ...]) -> np.ndarray:
    """(T, T) from one vector for each class (C, D): [i, j] is the mean over j's classes of the best
    cosine with i's."""
    classes = F.normalize(classes, dim=-1)
    parts = [classes[tasks.columns(task)] for task in chosen]
    return np.array(
        [
            [(target @ source.t()).max(dim=1).values.mean().item() for target in parts]
            for source in parts
        ]
    )


def correlation(gains: np.ndarray, similarity: np.ndarray, seed: int = 0) -> Correlation:
    """Rank correlation over the pairs of different tasks (i, j).

    Pairs that share a task are not independent, so tasks are permuted, as Mantel's test does: p is
    the share of permutations (and the matrix itself) whose correlation is at least as far from 0.
    """
    from scipy.stats import rankdata

    pairs = ~np.eye(len(gains), dtype=bool)
    ranks = _standard(rankdata(gains[pairs]))
    table = np.zeros_like(similarity)
    table[pairs] = rankdata(similarity[pairs])
    generator = np.random.default_rng(seed)

    def rho(order: np.ndarray) -> float:
        return float(np.mean(ranks * _standard(table[np.ix_(order, order)][pairs])))

    found = rho(np.arange(len(gains)))
    drawn = [abs(rho(generator.permutation(len(gains)))) for _ in range(PERMUTATIONS)]
    return Correlation(
        found, (1 + sum(value >= abs(found) - 1e-12 for value in drawn)) / (1 + PERMUTATIONS)
    )


def _standard(values: np.ndarray) -> np.ndarray:
    """With mean 0 and standard deviation 1; all 0 where they are the same."""
    spread = values.std()
    return (values - values.mean()) / spread if spread else np.zeros_like(values)
