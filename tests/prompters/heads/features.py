"""Image features to fit heads to: noisy directions around one per class, near the class's text."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from softcpt import Task, TaskSet

TASKS = TaskSet(
    [
        Task("fruit", ["apple", "pear", "kiwi", "plum"]),
        Task("signs", ["stop sign", "yield", "no entry"], template="a sign that says {}."),
        Task("scenes", ["forest", "sea"]),
    ]
)


def views_of(text, labels, views: int = 3, seed: int = 0, noise: float = 0.4) -> torch.Tensor:
    """(N, V, D) normalised features of images of classes (N,), whose centres lie beside ``text``
    (C, D)."""
    width = text.shape[1]
    centres = 0.3 * text + torch.randn(text.shape, generator=seeded(0)) / width**0.5
    image = torch.randn(len(labels), 1, width, generator=seeded(seed + 1))
    look = torch.randn(len(labels), views, width, generator=seeded(seed + 2))
    return F.normalize(
        centres[labels][:, None] + noise * (image + 0.5 * look) / width**0.5 + 0.5, dim=-1
    )


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shots_of(head, shots: int = 3, views: int = 3, tasks: TaskSet = TASKS, seed: int = 0):
    """(features, labels) of ``shots`` images of every class."""
    labels = torch.arange(tasks.num_classes).repeat_interleave(shots)
    return views_of(head.text.cpu(), labels, views, seed), labels


def queries_of(head, count: int = 20) -> torch.Tensor:
    """(B, D) normalised features of images that no head has seen."""
    labels = torch.arange(count) % len(head.text)
    return views_of(head.text.cpu(), labels, 1, seed=50)[:, 0]
