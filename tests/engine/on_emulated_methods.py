"""Options, balances of tasks and heads that no other test runs on a device: as on the CPU, with one
wait a step."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.testing.emulated_counts import counted
from tests.helpers.emulated import (
    ONE_EACH,
    TASKS,
    batch,
    clip_on,
    learner,
    needs_device,
    steps,
)

pytestmark = needs_device

SOFTCPT, PAIRS = "SoftCPT", torch.tensor([[0, 5], [5, -1], [6, 0], [3, 4], [1, -1], [6, 7]])
RUNS = {
    "CoCoOp of one network": ("CoCoOp", {"n_ctx": 2, "per_task": False}, {}, ONE_EACH),
    "CoOp, tasks weighed by variances": ("CoOp", {}, {"weighting": "uncertainty"}, ONE_EACH),
    "CoOp, tasks weighed by means": ("CoOp", {}, {"weighting": "running_mean"}, ONE_EACH),
    "PLOT with the pooled feature": ("PLOT", {"csc": True, "use_pooled": True}, {}, ONE_EACH),
    "SoftCPT without conflicts": (SOFTCPT, {}, {"gradients": "pcgrad"}, ONE_EACH),
    "SoftCPT, fedtpg": (SOFTCPT, {"generator": "fedtpg"}, {}, ONE_EACH),
    "SoftCPT, images of two tasks": (SOFTCPT, {"cls_sample_rate": 0.5}, {}, PAIRS),
    "SoftCPT, linmean": (SOFTCPT, {"generator": "linmean", "csc": True}, {}, ONE_EACH),
    "SoftCPT, lowrank": (SOFTCPT, {"generator": "lowrank", "rank": 4}, {}, ONE_EACH),
    "SoftCPT, mlp": (SOFTCPT, {"generator": "mlp", "rank": 4, "task_csc": True}, {}, ONE_EACH),
    "SoftCPT, mpt": (SOFTCPT, {"generator": "mpt"}, {}, ONE_EACH),
    "UPT, mixed": ("UPT", {"n_ctx": 2, "mix": True, "checkpoint": True}, {}, ONE_EACH),
    "UPT without conflicts": (
        *("UPT", {"n_ctx": 2, "softmax": "task", "project": "mlp"}),
        *({"gradients": "pcgrad"}, ONE_EACH),
    ),
    "VPT, shallow": ("VPT", {"n_ctx": 2, "deep": False, "softmax": "task"}, {}, PAIRS),
}
QUICK = ("SoftCPT without conflicts", "SoftCPT, fedtpg", "SoftCPT, images of two tasks")
HEADS = ("CLAP", "CrossModal", "LP++", "ProLIP", "TaskRes", "Tip-Adapter-F", "ZS-LP")


@pytest.fixture(scope="module")
def emulated(device):
    return clip_on(device)


@pytest.mark.parametrize(
    "run", [pytest.param(run, marks=[pytest.mark.slow] * (run not in QUICK)) for run in RUNS]
)
def test_a_step_is_that_of_the_cpu(golden_clip, emulated, run):
    method, options, balance, labels = RUNS[run]
    wanted, _ = steps(
        learner(golden_clip, method, options, balance), batch(golden_clip, method, labels), 2
    )
    losses, counts = steps(
        learner(emulated, method, options, balance), batch(emulated, method, labels), 2
    )
    assert losses == pytest.approx(wanted, rel=1e-5)
    # Which gradients are in conflict is found on the host, before the step.
    assert counts.waits.total() <= 1 + ("gradients" in balance), counts.waits


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_trained_as_on_the_cpu_and_no_step_of_it_waits(golden_clip, emulated, name):
    labels, found, waits = torch.arange(TASKS.num_classes).repeat(2), [], []
    for clip, count in ((golden_clip, 6), (emulated, 6), (emulated, 2)):
        head = softcpt.build_method(name, clip, TASKS, steps=count)
        width = len(clip.projection.weight) if head.unprojected else clip.embed_dim
        draw = torch.Generator().manual_seed(1)
        features = head.image_features(torch.randn(len(labels), width, generator=draw))
        with counted() as counts:
            head.fit(features, labels)
        waits.append(counts.waits.total())
        found.append(head.logits(features.to(clip.device)).cpu())
    assert torch.allclose(found[0], found[1], rtol=0, atol=1e-4)
    assert not torch.equal(found[1], found[2])
    assert waits[1] == waits[2], counts.waits
