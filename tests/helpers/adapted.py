"""Trained methods without training: random tensors, or heads fitted to random images."""

from __future__ import annotations

import torch

import softcpt

TASKS = softcpt.TaskSet(
    [
        softcpt.Task("kinds of fruit", ["apple", "kiwi", "plum"]),
        softcpt.Task("road signs", ["stop", "yield"]),
    ]
)


def adapted(method: str, clip: softcpt.Clip, **options) -> softcpt.AdaptedClip:
    """``method`` for :data:`TASKS` on ``clip``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        prompter = softcpt.build_prompter(method, clip, TASKS, **options)
        if hasattr(prompter, "fit"):
            labels = torch.arange(TASKS.num_classes).repeat(3)
            features = prompter.encode_image(pictures(clip, len(labels)))
            prompter.fit(features, labels, features, labels)
        else:
            for parameter in prompter.parameters():
                parameter.data += 0.02 * torch.randn_like(parameter)
    return softcpt.AdaptedClip(prompter.eval(), method)


def pictures(clip: softcpt.Clip, count: int) -> torch.Tensor:
    """(count, 3, H, W), as pre-processed."""
    size = clip.image_size
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, 3, size, size, generator=generator)
