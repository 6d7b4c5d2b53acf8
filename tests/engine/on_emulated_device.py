"""Every method trains and tests on a device other than the CPU, whose host waits once a step: on an
emulated one, which refuses mixed devices and counts."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import SequentialSampler

import softcpt
from softcpt.engine.batches import GivenFeatures
from softcpt.engine.learner import Learner
from softcpt.prompters.plot import transport_plan, transport_plans
from softcpt.testing.emulated_counts import Counts, counted
from softcpt.testing.emulated_device import EmulatedDevice
from softcpt.utils.sending import on_host, send_labels
from tests.helpers.coop_family import TASK_SETS
from tests.helpers.toy import WEIGHTS

pytestmark = pytest.mark.skipif(
    not EmulatedDevice.available(), reason="this torch registers no device in Python"
)

TASKS = TASK_SETS["three tasks"]
ONE_EACH = torch.tensor([0, 2, 5, 6, 7, 0])  # no image of the second task
SEVERAL = torch.tensor([[0, 2], [5, -1], [6, 7], [7, -1], [1, -1], [6, -1]])

# Method, options, and what a warmed step may take at most: the host's waits for the device, and
# operations. A change may lower a figure, and then lowers it here.
STEPS = {
    "CoCoOp": ("CoCoOp", {"n_ctx": 2}, 1, 443),
    "CoOp": ("CoOp", {}, 1, 247),
    "CoOp, classes sampled": ("CoOp", {"cls_sample_rate": 0.5}, 1, 247),
    "CoOp, csc": ("CoOp", {"csc": True}, 1, 250),
    "CoOp-MT": ("CoOp", {"per_task": False}, 1, 245),
    "KgCoOp": ("KgCoOp", {}, 1, 263),
    "PLOT": ("PLOT", {}, 2, 446),  # Sinkhorn's iterations ask once
    "ProGrad": ("ProGrad", {}, 1, 418),
    "SoftCPT": ("SoftCPT", {}, 1, 402),
    "SoftCPT, bounded": ("SoftCPT", {"max_text_tokens": 16}, 1, 627),
    "SoftCPT, csc": ("SoftCPT", {"csc": True}, 1, 600),
    "SoftCPT, free features": ("SoftCPT", {"task_text": "none", "weight": 1.0}, 1, 266),
    "UPT": ("UPT", {"n_ctx": 2}, 1, 558),
    "UPT, csc": ("UPT", {"csc": True, "n_ctx": 2}, 1, 513),
    "VPT": ("VPT", {"n_ctx": 2}, 1, 147),
}


@pytest.fixture(scope="module")
def emulated():
    with EmulatedDevice() as found:
        yield softcpt.load_clip(WEIGHTS, device=found.device)


def learner(clip: softcpt.Clip, method: str, options: dict) -> Learner:
    torch.manual_seed(0)
    prompter = softcpt.build_prompter(method, clip, TASKS, **options)
    return Learner(prompter, torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9))


def batch(clip: softcpt.Clip, method: str, labels: torch.Tensor) -> dict:
    generator = torch.Generator().manual_seed(1)
    if method in ("UPT", "VPT"):
        size = (3, clip.image_size, clip.image_size)
        return {"images": torch.randn(len(labels), *size, generator=generator), "label": labels}
    size = (5, clip.embed_dim) if method == "PLOT" else (clip.embed_dim,)
    features = torch.randn(len(labels), *size, generator=generator)
    kind = "spatial" if method == "PLOT" else "global"
    return {"features": features, "kind": kind, "label": labels}


def steps(trained: Learner, given: dict) -> tuple[list[float], Counts]:
    """Losses of three steps, and what the last took."""
    losses = []
    for _ in range(3):
        torch.manual_seed(5)  # of the classes sampled
        with counted() as counts:
            losses.append(trained.step(given).loss)
    return losses, counts


@pytest.mark.parametrize("case", STEPS)
def test_a_warmed_step_takes_no_more_than_recorded_and_is_that_of_the_cpu(
    golden_clip, emulated, case
):
    method, options, waits, operations = STEPS[case]
    wanted, _ = steps(learner(golden_clip, method, options), batch(golden_clip, method, ONE_EACH))
    losses, counts = steps(learner(emulated, method, options), batch(emulated, method, ONE_EACH))
    assert losses == pytest.approx(wanted, rel=1e-5)
    assert counts.waits.total() <= waits, counts.waits
    assert counts.operations.total() <= operations, counts.operations


@pytest.mark.parametrize("case", ["CoOp", "PLOT", "SoftCPT, csc"])
def test_images_of_several_classes_cost_no_wait_more(golden_clip, emulated, case):
    method, options, waits, _ = STEPS[case]
    wanted, _ = steps(learner(golden_clip, method, options), batch(golden_clip, method, SEVERAL))
    losses, counts = steps(learner(emulated, method, options), batch(emulated, method, SEVERAL))
    assert losses == pytest.approx(wanted, rel=1e-5)
    assert counts.waits.total() <= waits, counts.waits


def test_a_run_goes_on_from_its_state_and_is_tested(golden_clip, emulated):
    given, options = batch(emulated, "SoftCPT", ONE_EACH), {"n_ctx": 2}
    whole, again = (learner(emulated, "SoftCPT", options) for _ in range(2))
    steps(whole, given)
    state, facts = whole.state()
    again.load_state({name: tensor.clone() for name, tensor in state.items()}, facts, 0, "state")
    assert steps(again, given)[0] == steps(whole, given)[0]
    on_cpu = learner(golden_clip, "SoftCPT", options)
    state, facts = whole.state()
    on_cpu.load_state({name: tensor.cpu() for name, tensor in state.items()}, facts, 0, "state")
    order = SequentialSampler(range(len(ONE_EACH)))
    owners = TASKS.owners(ONE_EACH)
    batches = GivenFeatures(given["features"], ONE_EACH, owners, order, batch_size=4)
    with counted() as counts:
        tested = whole.evaluate(batches)
    wanted = on_cpu.evaluate(batches)
    assert tested.ranked.classes.tolist() == wanted.ranked.classes.tolist()
    assert torch.allclose(tested.ranked.probabilities, wanted.ranked.probabilities, atol=1e-5)
    assert counts.waits.total() <= 6 * len(batches) + 2, counts.waits


def test_what_mixes_devices_is_refused_and_what_waits_is_counted(emulated):
    there = torch.ones(3, device=emulated.device)
    with pytest.raises(RuntimeError, match="two devices"):
        there + torch.ones(3)
    with counted() as counts:
        assert (there + torch.tensor(1.0)).tolist() == [2, 2, 2]
        assert bool((there > 0).all())
        _ = there[torch.tensor([0, 2])], there[there > 0], there.nonzero(), there.cpu()
        _ = torch.zeros(2).to(emulated.device), torch.tensor([1], device=emulated.device)
        _ = torch.zeros(2).pin_memory().to(emulated.device, non_blocking=True), there.view(1, 3)
    kinds = [wait.partition(" at ")[0] for wait in counts.waits.elements()]
    assert sorted(kinds) == sorted(
        ["tolist", "_local_scalar_dense", "index on the host", "index by a mask", "nonzero"]
        + ["copy to the host"]
        + 2 * ["copy to the device"]
    )
    assert "view" not in counts.operations and counts.operations["add"] == 1


def test_labels_that_were_sent_are_known_on_the_host_until_they_are_changed(emulated):
    labels = torch.tensor([3, 1])
    sent = send_labels(labels, emulated.device)
    with counted() as counts:
        assert on_host(sent) is labels
    assert not counts.waits
    sent += 1
    assert on_host(sent).tolist() == [4, 2]


def test_plans_of_a_device_that_is_asked_seldom_are_those_of_every_iteration(emulated):
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 7, 4, 5), (1, 7, 4, 2), (2, 7, 4, 1)]
    problems = [2 * torch.rand(shape, generator=generator) - 1 for shape in shapes]
    alone = [transport_plan(problem) for problem in problems]
    together = transport_plans(problems)
    there = transport_plans([problem.to(emulated.device) for problem in problems])
    for one, two, three in zip(alone, together, there):
        assert torch.equal(one, two)
        assert torch.equal(one, three.cpu())
