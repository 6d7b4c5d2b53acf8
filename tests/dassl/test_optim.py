"""Optimisers and schedules."""

import copy
import io

import pytest
import torch
from dassl.config import get_cfg_default
from dassl.optim import build_lr_scheduler, build_optimizer
from torch import nn


def settings(**values):
    cfg = get_cfg_default().OPTIM
    cfg.NAME, cfg.LR, cfg.LR_SCHEDULER = "sgd", 0.002, "cosine"
    for key, value in values.items():
        setattr(cfg, key, value)
    return cfg


def build(cfg, model=None):
    optimizer = build_optimizer(model or nn.Linear(2, 2), cfg)
    return optimizer, build_lr_scheduler(optimizer, cfg)


def rates(cfg, epochs=None):
    optimizer, scheduler = build(cfg)
    used = []
    for _ in range(epochs or cfg.MAX_EPOCH):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return used


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        ({"WARMUP_TYPE": "constant", "WARMUP_EPOCH": 1}, [1e-5, 2e-3, 1.809e-3, 1.309e-3, 6.91e-4]),
        ({"WARMUP_TYPE": "constant", "WARMUP_EPOCH": 2}, [1e-5, 1e-5, 2e-3, 1.809e-3, 1.309e-3]),
        ({"WARMUP_TYPE": "linear", "WARMUP_EPOCH": 1}, [1e-5, 2e-3, 1.809e-3, 1.309e-3, 6.91e-4]),
        ({"WARMUP_TYPE": "linear", "WARMUP_EPOCH": 3}, [1e-5, 6.67e-4, 1.333e-3, 2e-3, 1.809e-3]),
        (
            {"WARMUP_TYPE": "constant", "WARMUP_EPOCH": 1, "WARMUP_RECOUNT": False},
            [1e-5, 2e-3, 1.447e-3, 7.64e-4, 2.11e-4],
        ),
    ],
)
def test_learning_rates_of_five_epochs_are_those_measured_on_dassl(warmup, expected):
    assert rates(settings(MAX_EPOCH=5, **warmup)) == pytest.approx(expected, abs=6e-7)


def test_learning_rates_of_fifty_epochs_follow_the_cosine_that_warm_up_does_not_shorten():
    used = rates(settings(MAX_EPOCH=50, WARMUP_TYPE="constant", WARMUP_EPOCH=1))
    assert used[:4] == pytest.approx([1e-5, 2e-3, 1.998027e-3, 1.992115e-3], abs=5e-10)
    assert used[-1] == pytest.approx(7.885e-6, abs=5e-10)


def test_single_step_drops_at_its_last_step_size_and_never_when_that_is_negative():
    assert rates(
        settings(LR_SCHEDULER="single_step", STEPSIZE=(9, 2), MAX_EPOCH=4)
    ) == pytest.approx([2e-3, 2e-3, 2e-4, 2e-4])
    assert rates(settings(LR_SCHEDULER="single_step", MAX_EPOCH=4)) == pytest.approx([2e-3] * 4)


def test_multi_step_drops_at_each_milestone():
    used = rates(settings(LR_SCHEDULER="multi_step", STEPSIZE=(1, 3), MAX_EPOCH=4))
    assert used == pytest.approx([2e-3, 2e-4, 2e-4, 2e-5])


@pytest.mark.parametrize("warmup", ["constant", "linear"])
@pytest.mark.parametrize("schedule", ["single_step", "multi_step", "cosine"])
@pytest.mark.parametrize("stop", [1, 2, 4])
def test_a_restored_schedule_goes_on_as_if_never_stopped(warmup, schedule, stop):
    cfg = settings(
        WARMUP_EPOCH=2, WARMUP_TYPE=warmup, LR_SCHEDULER=schedule, STEPSIZE=(1, 2), MAX_EPOCH=8
    )
    through = rates(cfg)
    optimizer, scheduler = build(cfg)
    for _ in range(stop):
        optimizer.step()
        scheduler.step()
    file = io.BytesIO()
    torch.save([optimizer.state_dict(), scheduler.state_dict()], file)
    file.seek(0)
    states = torch.load(file, weights_only=True)
    optimizer, scheduler = build(cfg)
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    rest = []
    for _ in range(stop, 8):
        rest.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rest == through[stop:]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", "Adam"),
        ("amsgrad", "Adam"),
        ("sgd", "SGD"),
        ("rmsprop", "RMSprop"),
        ("radam", "RAdam"),
        ("adamw", "AdamW"),
    ],
)
def test_each_optimiser_takes_its_settings_and_moves_the_weights(name, kind):
    model = nn.Linear(2, 1)
    before = copy.deepcopy(model.state_dict())
    optimizer = build_optimizer(model, settings(NAME=name, LR=0.1, WEIGHT_DECAY=0.25))
    for _ in range(8):
        optimizer.zero_grad()
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
    assert type(optimizer).__name__ == kind
    assert optimizer.param_groups[0]["weight_decay"] == 0.25
    assert optimizer.param_groups[0].get("amsgrad", False) == (name == "amsgrad")
    assert not torch.equal(model.weight, before["weight"])


def test_radam_decays_weights_apart_from_the_gradient():
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer = build_optimizer([weight], settings(NAME="radam", LR=0.1, WEIGHT_DECAY=0.25))
    weight.grad = torch.zeros(1)
    optimizer.step()
    assert weight.item() == pytest.approx(2.0 - 0.1 * 0.25 * 2.0)


def test_staged_learning_rates_slow_the_old_layers():
    model = nn.ModuleDict({"old": nn.Linear(2, 2), "new": nn.Linear(2, 3)})
    cfg = settings(STAGED_LR=True, NEW_LAYERS=("new",), BASE_LR_MULT=0.1)
    old, new = build_optimizer(model, cfg).param_groups
    assert (old["lr"], new["lr"]) == pytest.approx((0.0002, 0.002))
    assert [p.numel() for p in new["params"]] == [6, 3]


def test_staged_learning_rates_need_a_module():
    with pytest.raises(TypeError, match=r"(?i)staged_lr"):
        build_optimizer([nn.Parameter(torch.zeros(1))], settings(STAGED_LR=True))


@pytest.mark.parametrize(
    "wrong", [{"NAME": "sdg"}, {"LR_SCHEDULER": "cosin"}, {"WARMUP_EPOCH": 1, "WARMUP_TYPE": "x"}]
)
def test_unknown_names_are_refused(wrong):
    with pytest.raises(ValueError):  # noqa: PT011  Dassl's message is another
        build(settings(**wrong))
