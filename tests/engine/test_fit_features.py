"""fit on features at hand: the steps, callbacks, continuation, and what the caller keeps."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

import softcpt
from softcpt import FeatureData, UserError, build_method, fit
from tests.helpers.runs import identical

TASKS = softcpt.TaskSet(
    [softcpt.Task("pets", ["cat", "dog"]), softcpt.Task("fruit", ["apple", "pear", "plum"])]
)


@pytest.fixture(scope="module")
def clip():
    return softcpt.load_clip("tiny")


@pytest.fixture(scope="module")
def data(clip):
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(20, clip.embed_dim, generator=generator)
    return FeatureData(TASKS, features, torch.arange(20) % 5)


def trained(clip, data, method="CoOp", **more):
    settings = {"epochs": 4, "batch_size": 6, "n_ctx": 2, "progress": False}
    return fit(method, clip, data, **(settings | more))


def test_the_steps_are_gradient_descent_with_momentum_under_a_cosine(clip, data):
    fitted = trained(clip, data, batch_size=20, lr=0.1)
    torch.manual_seed(1)
    method = build_method("CoOp", clip, TASKS, n_ctx=2)
    parameters = list(method.parameters())
    velocity = [torch.zeros_like(each) for each in parameters]
    rates = [1e-5] + [0.05 * (1 + math.cos(math.pi * step / 4)) for step in range(3)]
    features = torch.nn.functional.normalize(data.features, dim=-1)
    for rate in rates:
        loss = TASKS.loss(method.logits(features), data.labels)
        gradients = torch.autograd.grad(loss, parameters)
        for each, gradient, speed in zip(parameters, gradients, velocity, strict=True):
            speed.mul_(0.9).add_(gradient + 5e-4 * each.detach())
            with torch.no_grad():
                each -= rate * speed
    for name, tensor in fitted.method.state_dict().items():
        assert torch.allclose(tensor, method.state_dict()[name], atol=1e-5), name
    assert fitted.record.curve[-1]["loss"] == pytest.approx(loss.item(), abs=1e-4)


def test_callbacks_see_every_epoch_and_may_stop(clip, data):
    seen = []

    def watch(end):
        seen.append((end.epoch, end.epochs, end.loss, end.rate))
        if end.epoch == 3:
            end.stop()

    fitted = trained(clip, data, callbacks=[watch])
    assert [epoch for epoch, *_ in seen] == [1, 2, 3] and {total for _, total, *_ in seen} == {4}
    assert [loss for *_, loss, _ in seen] == [each["loss"] for each in fitted.record.curve]
    assert seen[0][3] == pytest.approx(1e-5) and seen[1][3] == pytest.approx(0.002)


@pytest.mark.parametrize("method", ["CoOp", "SoftCPT"])
def test_a_fit_that_was_stopped_goes_on_bit_for_bit(clip, data, tmp_path, method):
    def interrupt(end):
        if end.epoch == 3:
            raise KeyboardInterrupt

    whole = trained(clip, data, method)
    with pytest.raises(KeyboardInterrupt):
        trained(clip, data, method, folder=tmp_path, callbacks=[interrupt])
    resumed = trained(clip, data, method, resume_from=tmp_path)
    assert identical(resumed.method.state_dict(), whole.method.state_dict())
    assert resumed.record.curve == whole.record.curve


def test_another_fit_is_not_gone_on_with(clip, data, tmp_path):
    trained(clip, data, folder=tmp_path, epochs=1)
    with pytest.raises(UserError, match=r"other settings \(OPTIM.LR: 0.5"):
        trained(clip, data, resume_from=tmp_path, epochs=1, lr=0.5)
    with pytest.raises(UserError, match=r"TRAINER.COOP.N_CTX: 3"):
        trained(clip, data, resume_from=tmp_path, epochs=1, n_ctx=3)
    other = FeatureData(TASKS, data.features, data.labels.flip(0))
    with pytest.raises(UserError, match="other images"):
        trained(clip, other, resume_from=tmp_path, epochs=1)
    with pytest.raises(UserError, match="no such file"):
        trained(clip, data, resume_from=tmp_path / "nothing")


def test_the_callers_generators_are_left_alone(clip, data):
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    softcpt.utils.seeding.seed_everything(3)
    expected = draw()
    softcpt.utils.seeding.seed_everything(3)
    trained(clip, data, epochs=1)
    assert draw() == expected


def test_views_are_taken_in_turn(clip, data):
    same = FeatureData(TASKS, data.features[:, None].expand(-1, 2, -1), data.labels)
    other = FeatureData(TASKS, torch.stack([data.features, -data.features], 1), data.labels)
    one, two, three = (trained(clip, each, epochs=2).record.curve for each in (data, same, other))
    assert one == two
    assert three[0] == one[0] and three[1] != one[1]


@pytest.mark.parametrize("method", ["TextGDA-MT", "ProtoNet", "Tip-Adapter-F"])
def test_a_head_is_fitted_as_by_itself(clip, data, method):
    fitted = fit(method, clip, data)
    torch.manual_seed(1)
    head = build_method(method, clip, TASKS)
    head.fit(head.image_features(data.features), data.labels)
    assert identical(fitted.method.state_dict(), head.state_dict())


def test_zero_shot_is_trained_by_doing_nothing(clip, data):
    assert fit("ZeroShot", clip, data).record.curve == []


def test_what_cannot_be_is_said(clip, data):
    with pytest.raises(UserError, match="'SoftCTP': unknown; did you mean 'SoftCPT'"):
        fit("SoftCTP", clip, data)
    with pytest.raises(UserError, match="VPT needs images"):
        fit("VPT", clip, data)
    with pytest.raises(UserError, match="n_ctxx"):
        fit("CoOp", clip, data, n_ctxx=3)
    with pytest.raises(UserError, match="OPTIM.LR"):
        fit("CoOp", clip, data, lr=-1.0)
    with pytest.raises(UserError, match="lower OPTIM.LR"):
        trained(clip, data, lr=1.0, weight_decay=9e14, warmup_epochs=0, schedule="single_step")
    with pytest.raises(UserError, match="labels go from 0 to 5"):
        FeatureData(TASKS, torch.randn(6, 8), torch.arange(6))
