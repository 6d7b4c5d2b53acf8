"""Losses are scaled by the rule of torch's GradScaler, and in fp32 that changes no bit of a run."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.engine import loss_scaler
from softcpt.engine.lookahead import Lookahead
from softcpt.engine.loss_scaler import LossScaler
from tests.helpers.emulated import ONE_EACH, batch, learner, parameters, steps

CPU = torch.device("cpu")
INF = float("inf")
# Of every step, by what the gradient is multiplied.
FACTORS = (1, INF, 1, 1, 1, 1, float("nan"), -INF, 1, 1, 1, 1, 1, 1)


def test_factor_and_parameters_are_those_of_torchs_grad_scaler(monkeypatch):
    monkeypatch.setattr(loss_scaler, "_GROWTH_INTERVAL", 3)
    theirs = torch.amp.GradScaler("cpu", growth_interval=3)
    ours = LossScaler(CPU, enabled=True)
    trained = [torch.nn.Parameter(torch.arange(3.0) + 1) for _ in range(2)]
    optimisers = [torch.optim.SGD([one], lr=0.1, momentum=0.9) for one in trained]
    for factor in FACTORS:
        losses = [(one * factor).square().sum() for one in trained]
        for optimiser in optimisers:
            optimiser.zero_grad()
        theirs.scale(losses[0]).backward()
        theirs.step(optimisers[0])
        theirs.update()
        ours.scale(losses[1]).backward()
        left_out = bool(ours.unscale(optimisers[1]))
        if not left_out:
            optimisers[1].step()
        ours.update(left_out)
        assert torch.equal(*trained)
        known = theirs.state_dict()
        assert ours.state_dict() == {key: known[key] for key in ours.state_dict()}
        other = LossScaler(CPU, enabled=True)
        other.load_state_dict(ours.state_dict())
        assert torch.equal(other.scale(losses[0]), ours.scale(losses[1])) or losses[0].isnan()


def test_a_factor_that_no_gradient_bears_ends_the_run():
    ours = LossScaler(CPU, enabled=True)
    for _ in range(32):
        ours.update(left_out=True)
    with pytest.raises(softcpt.UserError, match="gradients: not finite, however the loss is"):
        ours.update(left_out=True)


@pytest.mark.parametrize(
    "state", [{"scale": 0.0, "_growth_tracker": 0}, {"scale": 2.0, "_growth_tracker": -1}]
)
def test_a_state_that_no_run_has_is_refused(state):
    with pytest.raises(ValueError, match="a factor of"):
        LossScaler(CPU, enabled=True).load_state_dict(state)


@pytest.mark.parametrize(
    ("method", "weighing"),
    [
        ("ProGrad", {}),
        ("SoftCPT", {}),
        ("SoftCPT", {"gradients": "pcgrad"}),
        ("SoftCPT", {"weighting": "uncertainty"}),
    ],
)
def test_in_fp32_a_scaled_run_is_the_plain_one_bit_for_bit(golden_clip, method, weighing):
    """Three optimiser steps for each batch, and affinities measured meanwhile."""
    found = []
    for scaled in (False, True):
        looking = Lookahead(2)
        trained = learner(golden_clip, method, {}, weighing, repeats=3, lookahead=looking)
        if scaled:
            trained.scaler = LossScaler(CPU, enabled=True)
        losses, _ = steps(trained, batch(golden_clip, method, ONE_EACH))
        found.append((losses, parameters(trained), looking.state()))
    (plain, of_plain, seen), (ours, of_ours, also_seen) = found
    assert plain == ours and seen == also_seen
    assert all(torch.equal(*pair) for pair in zip(of_plain, of_ours, strict=True))
