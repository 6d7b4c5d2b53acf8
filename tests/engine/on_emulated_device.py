"""Every method trains and tests on a device other than the CPU, whose host waits once a step: on an
emulated one, which refuses mixed devices and counts."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import SequentialSampler

from softcpt.engine.batches import GivenFeatures
from softcpt.prompters.sinkhorn import ASK_AFTER, solve_transport, transport_plan
from softcpt.testing.emulated_counts import counted
from softcpt.utils.sending import on_host, send_labels
from tests.helpers.emulated import (
    CASES,
    ONE_EACH,
    SEVERAL,
    TASKS,
    batch,
    clip_on,
    learner,
    needs_device,
    parameters,
    steps,
)

pytestmark = needs_device

# What a warmed step may take at most: the host's waits for the device, and operations. A change may
# lower a figure, and then lowers it here.
FIGURES = {
    "CoCoOp": (1, 443),
    "CoOp": (1, 247),
    "CoOp, classes sampled": (1, 247),
    "CoOp, csc": (1, 250),
    "CoOp-MT": (1, 245),
    "KgCoOp": (1, 263),
    "PLOT": (1, 445),
    "ProGrad": (1, 418),
    "SoftCPT": (1, 402),
    "SoftCPT, bounded": (1, 627),
    "SoftCPT, csc": (1, 600),
    "SoftCPT, free features": (1, 267),
    "UPT": (1, 558),
    "UPT, csc": (1, 513),
    "VPT": (1, 147),
}


@pytest.fixture(scope="module")
def emulated(device):
    return clip_on(device)


@pytest.mark.parametrize("case", CASES)
def test_a_warmed_step_takes_no_more_than_recorded_and_is_that_of_the_cpu(
    golden_clip, emulated, case
):
    method, options = CASES[case]
    waits, operations = FIGURES[case]
    wanted, _ = steps(learner(golden_clip, method, options), batch(golden_clip, method, ONE_EACH))
    there = learner(emulated, method, options)
    losses, counts = steps(there, batch(emulated, method, ONE_EACH), record=True)
    assert losses == pytest.approx(wanted, rel=1e-5)
    assert counts.waits.total() <= waits, counts.waits
    assert counts.operations.total() <= operations, counts.operations
    _, others = steps(there, batch(emulated, method, ONE_EACH.flip(0), seed=2), 1, record=True)
    assert others.shapes == counts.shapes  # images of the same tasks: a step can be recorded


@pytest.mark.parametrize("case", ["CoOp", "PLOT", "SoftCPT, csc"])
def test_images_of_several_classes_cost_no_wait_more(golden_clip, emulated, case):
    method, options = CASES[case]
    wanted, _ = steps(learner(golden_clip, method, options), batch(golden_clip, method, SEVERAL))
    losses, counts = steps(learner(emulated, method, options), batch(emulated, method, SEVERAL))
    assert losses == pytest.approx(wanted, rel=1e-5)
    assert counts.waits.total() <= FIGURES[case][0], counts.waits


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
    together, _ = solve_transport(problems)
    sent = [problem.to(emulated.device) for problem in problems]
    there, asked = solve_transport(sent)
    guessed, solved = solve_transport(sent, guess=asked.iterations)
    assert solved.wrong == 0 and solve_transport(sent, guess=1)[1].wrong == 1
    for one, *others in zip(alone, together, there, guessed):
        assert all(torch.equal(one, other.cpu()) for other in others)


def test_plot_guesses_how_many_iterations_are_enough_and_asks_after_a_wrong_guess(emulated):
    given, found = batch(emulated, "PLOT", ONE_EACH), []
    for guess in (ASK_AFTER, 1):
        trained = learner(emulated, "PLOT", {})
        trained.method._enough = guess
        losses, waits = [], []
        for _ in range(2):
            (loss,), counts = steps(trained, given, 1)
            losses.append(loss)
            waits.append(counts.waits.total())
        found.append((losses, parameters(trained)))
    assert waits == [3, 1] and trained.method._enough == ASK_AFTER
    (losses, wanted), (again, ours) = found
    assert losses == again and all(torch.equal(*pair) for pair in zip(wanted, ours))
