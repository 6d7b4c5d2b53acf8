"""In every precision a step on a device is near the CPU's, waits once, and casts no frozen weight;
losses are scaled where gradients go through fp16, and a run goes on with its factor."""

from __future__ import annotations

import functools
import itertools

import pytest
import torch

import softcpt
from softcpt.artefacts import checkpoint
from softcpt.engine import loss_scaler
from softcpt.engine.batches import features_of
from softcpt.engine.learner import Learner
from softcpt.engine.lookahead import Lookahead
from softcpt.testing.emulated_counts import counted
from softcpt.text.encoder import TextEncoder
from softcpt.text.tower import TextTower
from softcpt.utils.sending import send_labels
from tests.helpers.emulated import (
    CASES,
    ONE_EACH,
    SEVERAL,
    batch,
    clip_on,
    learner,
    needs_device,
    parameters,
    steps,
)

pytestmark = needs_device
slow = functools.partial(pytest.param, marks=pytest.mark.slow)

# Of a loss, relative to fp32 on a CPU; as many bits less are in the mantissa.
NEAR = {"amp": 0.01, "bf16": 0.05, "fp16": 0.01}
EVERY = list(itertools.product(CASES, NEAR))
QUICK = EVERY[:: len(NEAR) + 1]  # every method, and every precision


@pytest.fixture(scope="module")
def clip_in(device):
    return functools.lru_cache(lambda precision: clip_on(device, precision))


@pytest.mark.parametrize(("case", "precision"), QUICK)
def test_a_step_is_near_the_cpus(golden_clip, clip_in, case, precision):
    near(golden_clip, clip_in(precision), case, ONE_EACH)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [ONE_EACH, SEVERAL], ids=["one class", "several"])
@pytest.mark.parametrize(("case", "precision"), EVERY)
def test_every_step_is_near_the_cpus(golden_clip, clip_in, case, precision, labels):
    near(golden_clip, clip_in(precision), case, labels)


def near(golden_clip: softcpt.Clip, clip: softcpt.Clip, case: str, labels: torch.Tensor) -> None:
    """Losses, waits, and what is cast."""
    method, options = CASES[case]
    wanted, _ = steps(learner(golden_clip, method, options), batch(golden_clip, method, labels), 1)
    trained = learner(clip, method, options)
    losses, counts = steps(trained, batch(clip, method, labels), 2, record=True)
    assert losses[0] == pytest.approx(wanted[0], rel=NEAR[clip.precision])
    assert counts.waits.total() <= 1, counts.waits
    assert trained.scaler.enabled == (clip.precision != "bf16")
    assert cast(counts, clip) == []


def cast(counts, clip: softcpt.Clip) -> list[tuple[int, ...]]:
    """Shapes of the frozen weights that were cast."""
    frozen = [*clip.parameters(), *clip.buffers(), *clip.text.buffers()]
    storages = {one.on_cpu.untyped_storage().data_ptr() for one in frozen}
    copied = [given[0] for name, given in counts.order if name == "_to_copy"]
    return [
        tuple(one.shape)
        for one in copied
        if hasattr(one, "on_cpu") and one.on_cpu.untyped_storage().data_ptr() in storages
    ]


def test_an_image_that_is_encoded_under_amp_casts_no_frozen_weight(clip_in):
    clip = clip_in("amp")
    images = torch.zeros(2, 3, clip.image_size, clip.image_size)
    with counted(record=True) as counts:
        clip.encode_image(images)
    assert counts.operations["_to_copy"] and cast(counts, clip) == []


@pytest.mark.parametrize(
    ("precision", "method", "balance", "repeats"),
    [
        slow("amp", "SoftCPT", {"gradients": "pcgrad"}, 1),
        ("amp", "UPT", {}, 3),
        slow("fp16", "ProGrad", {}, 1),
        ("fp16", "SoftCPT", {"weighting": "running_mean"}, 3),
        slow("fp16", "SoftCPT", {"weighting": "uncertainty"}, 1),
    ],
)
def test_a_run_that_is_continued_goes_on_with_its_factor(
    clip_in, tmp_path, monkeypatch, precision, method, balance, repeats
):
    """Steps are left out before and after the stop, and the factor grows after every second that
    was taken."""
    monkeypatch.setattr(loss_scaler, "_GROWTH_INTERVAL", 2)
    clip, options = clip_in(precision), {} if method == "ProGrad" else {"n_ctx": 2}
    given = batch(clip, method, ONE_EACH)

    def new() -> Learner:
        looking = Lookahead(4) if "gradients" in balance else None
        return learner(clip, method, options, balance, repeats=repeats, lookahead=looking)

    def facts_of(trained: Learner, overflows: str) -> list[tuple[float, float]]:
        """Loss and factor behind every step; x: a gradient has no number."""
        found = []
        for step in overflows:
            factor = float("inf") if step == "x" else 1.0
            hook = next(trained.method.parameters()).register_hook(lambda g, f=factor: g * f)
            (loss,), _ = steps(trained, given, 1)
            hook.remove()
            found.append((loss, trained.scaler.get_scale()))
        return found

    whole, again = new(), new()
    first = [scale for _, scale in facts_of(whole, "x...")]
    assert first == [2.0**15, 2.0**15, 2.0**16, 2.0**16]
    checkpoint.save_tensors(tmp_path / "state", *whole.state())
    again.load_state(*checkpoint.load_tensors(tmp_path / "state"), 0, "state")
    rest = facts_of(whole, ".x.")
    assert [scale for _, scale in rest] == [2.0**17, 2.0**16, 2.0**16]
    assert facts_of(again, ".x.") == rest
    assert all(torch.equal(*pair) for pair in zip(parameters(whole), parameters(again)))


def test_a_gradient_that_fp16_has_no_number_for_trains_when_the_loss_is_scaled(
    clip_in, golden_clip
):
    """Tasks that weigh next to nothing; against float64."""
    tiny = {"weights": (1e-7, 1e-7, 1e-7)}

    def gradients(clip: softcpt.Clip, dtype: torch.dtype) -> list[torch.Tensor]:
        trained = learner(clip, "CoOp", {"n_ctx": 2}, tiny)
        features = features_of({**given, "features": given["features"].to(dtype)}, trained.method)
        trained._loss(features, send_labels(ONE_EACH, clip.device), False)[0].backward()
        return [one.grad.cpu() for one in trained.method.parameters() if one.grad is not None]

    clip, exact = clip_in("fp16"), clip_on(torch.device("cpu")).double()
    vars(exact)["text"] = TextEncoder(TextTower(exact.model, torch.float64))
    given = batch(clip, "CoOp", ONE_EACH)
    assert not any(gradient.any() for gradient in gradients(clip, torch.float32))
    trained = learner(clip, "CoOp", {"n_ctx": 2}, tiny)
    trained.optimiser.param_groups[0]["lr"] = 1e4
    before = parameters(trained)
    steps(trained, given, 1)
    moved = [(then.double() - now) / 1e4 for then, now in zip(before, parameters(trained))]
    moved = [one for one in moved if one.any()]
    for ours, wanted in zip(moved, gradients(exact, torch.float64), strict=True):
        assert (ours - wanted).norm() <= 0.03 * wanted.norm()


def test_sections_are_timed_on_the_device_and_nobody_waits_in_a_step(clip_in):
    """A millisecond for every operation of the emulated device."""
    trained = learner(clip_in("fp16"), "CoOp", {"n_ctx": 2})
    given = batch(trained.method.clip, "CoOp", ONE_EACH)
    steps(trained, given, 2)
    trained.watch.restart({})
    with counted() as counts:
        trained.step(given)
    assert not trained.watch._sections and counts.waits.total() == 1
    with counted() as waits:
        trained.watch.settle()
    assert next(iter(waits.waits)).startswith("event")
    of_sections = trained.watch._sections
    assert 1000 * sum(of_sections.values()) == pytest.approx(counts.operations.total(), abs=5)
    assert 0 < of_sections["image"] < 0.1 * of_sections["text"]
