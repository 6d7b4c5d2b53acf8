"""Learners, batches and steps for the tests that run on a CPU and on an emulated device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch

import softcpt
from softcpt.engine.balance_settings import BalanceSettings
from softcpt.engine.learner import Learner
from softcpt.engine.task_balance import TaskBalance
from softcpt.testing.emulated_counts import Counts, counted
from softcpt.testing.emulated_device import EmulatedDevice
from tests.helpers.coop_family import TASK_SETS
from tests.helpers.toy import WEIGHTS

TASKS = TASK_SETS["three tasks"]
ONE_EACH = torch.tensor([0, 2, 5, 6, 7, 0])  # no image of the second task
SEVERAL = torch.tensor([[0, 2], [5, -1], [6, 7], [7, -1], [1, -1], [6, -1]])

# Methods and options that go different ways through a step.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "CoCoOp": ("CoCoOp", {"n_ctx": 2}),
    "CoOp": ("CoOp", {}),
    "CoOp, classes sampled": ("CoOp", {"cls_sample_rate": 0.5}),
    "CoOp, csc": ("CoOp", {"csc": True}),
    "CoOp-MT": ("CoOp", {"per_task": False}),
    "KgCoOp": ("KgCoOp", {}),
    "PLOT": ("PLOT", {}),
    "ProGrad": ("ProGrad", {}),
    "SoftCPT": ("SoftCPT", {}),
    "SoftCPT, bounded": ("SoftCPT", {"max_text_tokens": 16}),
    "SoftCPT, csc": ("SoftCPT", {"csc": True}),
    "SoftCPT, free features": ("SoftCPT", {"task_text": "none", "weight": 1.0}),
    "UPT": ("UPT", {"n_ctx": 2}),
    "UPT, csc": ("UPT", {"csc": True, "n_ctx": 2}),
    "VPT": ("VPT", {"n_ctx": 2}),
}

# Torch 2.9 and later can register a device.
needs_device = pytest.mark.skipif(
    not EmulatedDevice.available(), reason="this torch registers no device in Python"
)


def clip_on(device: torch.device, precision: str = "fp32") -> softcpt.Clip:
    """The small CLIP of the golden numbers."""
    return softcpt.load_clip(WEIGHTS, precision, device)


def learner(
    clip: softcpt.Clip,
    method: str,
    options: Mapping[str, Any],
    balance: Mapping[str, Any] | None = None,
    **more: Any,
) -> Learner:
    """Of a method from the seed 0, with ``balance`` of the tasks if there is any."""
    torch.manual_seed(0)
    prompter = softcpt.build_prompter(method, clip, TASKS, **options)
    optimiser = torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9)
    weighing = TaskBalance(BalanceSettings(**balance), prompter) if balance else None
    if weighing is not None:
        weighing.join(optimiser)
    return Learner(prompter, optimiser, balance=weighing, **more)


def batch(clip: softcpt.Clip, method: str, labels: torch.Tensor, seed: int = 1) -> dict[str, Any]:
    """Images or features, as the method takes them, drawn from a seed."""
    generator = torch.Generator().manual_seed(seed)
    if method in ("UPT", "VPT"):
        size = (3, clip.image_size, clip.image_size)
        return {"images": torch.randn(len(labels), *size, generator=generator), "label": labels}
    size = (5, clip.embed_dim) if method == "PLOT" else (clip.embed_dim,)
    features = torch.randn(len(labels), *size, generator=generator)
    kind = "spatial" if method == "PLOT" else "global"
    return {"features": features, "kind": kind, "label": labels}


def steps(
    trained: Learner, given: Mapping[str, Any], count: int = 3, record: bool = False
) -> tuple[list[float], Counts]:
    """Losses of some steps, and what the last took."""
    losses = []
    for _ in range(count):
        torch.manual_seed(5)  # of the classes sampled
        with counted(record) as counts:
            losses.append(trained.step(given).loss)
    return losses, counts


def parameters(trained: Learner) -> Sequence[torch.Tensor]:
    """All that is trained, on the CPU."""
    return [one.detach().cpu() for one in trained.method.parameters()]
