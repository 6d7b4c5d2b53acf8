"""Sets of many tasks share captured steps: what these give does not depend on which steps were
captured, bit for bit, and is what steps with the batch's own tasks give."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.engine.balance_settings import BalanceSettings
from softcpt.engine.captured import CapturedSteps
from softcpt.engine.learner import Learner
from softcpt.engine.task_balance import TaskBalance
from softcpt.testing.emulated_counts import counted
from softcpt.testing.emulated_device import EmulatedDevice
from softcpt.testing.emulated_graph import emulated_graphs
from tests.helpers.toy import WEIGHTS

pytestmark = pytest.mark.skipif(
    not EmulatedDevice.available(), reason="this torch registers no device in Python"
)

WORDS = ["kiwi", "red apple", "stop sign", "forest", "sea", "red apple pie", "dog", "yield"]
TASKS = softcpt.TaskSet(
    [softcpt.Task(f"kinds of {i}", WORDS[i % 5 : i % 5 + 1 + i % 4]) for i in range(12)]
)
STEPS, IMAGES = 24, 5

# Method, options, balance of tasks, and the operations that a replayed step takes at most: three
# for each parameter that has a gradient.
CAPTURED = {
    "CoOp": ("CoOp", {}, {}, 24),
    "CoOp, adam": ("CoOp", {"adam": True}, {}, 60),
    "CoOp, running means": ("CoOp", {}, {"weighting": "running_mean", "shares": "tasks"}, 24),
    "CoOp-MT": ("CoOp", {"per_task": False}, {}, 10),
    "KgCoOp": ("KgCoOp", {}, {}, 24),
    "SoftCPT": ("SoftCPT", {}, {}, 14),
    "SoftCPT, amp": ("SoftCPT", {"precision": "amp"}, {}, 16),
    "SoftCPT, mpt": ("SoftCPT", {"generator": "mpt"}, {}, 18),
    "VPT": ("VPT", {"n_ctx": 2, "softmax": "task"}, {}, 14),
}
FEW = ("CoOp", "SoftCPT")


@pytest.fixture(scope="module")
def device():
    with EmulatedDevice() as found, emulated_graphs():
        yield found.device


def learner(device, method: str, options: dict, graph: str, balance: dict | None = None) -> Learner:
    torch.manual_seed(0)
    options = dict(options)
    adam = options.pop("adam", False)
    clip = softcpt.load_clip(WEIGHTS, options.pop("precision", "fp32"), device)
    prompter = softcpt.build_prompter(method, clip, TASKS, **options)
    kind = {"lr": 0.002} if adam else {"lr": 0.002, "momentum": 0.9, "weight_decay": 5e-4}
    optimiser = (torch.optim.Adam if adam else torch.optim.SGD)(prompter.parameters(), **kind)
    balanced = TaskBalance(BalanceSettings(**balance), prompter) if balance else None
    return Learner(prompter, optimiser, balance=balanced, graph=graph)


def batch(trained: Learner, number: int) -> dict:
    """Images of other tasks in each batch."""
    generator, clip = torch.Generator().manual_seed(number), trained.method.clip
    labels = torch.randint(TASKS.num_classes, (IMAGES,), generator=generator)
    if trained.method.prompts_images:
        size = (3, clip.image_size, clip.image_size)
        return {"label": labels, "images": torch.randn(IMAGES, *size, generator=generator)}
    features = torch.randn(IMAGES, clip.embed_dim, generator=generator)
    return {"label": labels, "features": features, "kind": "global"}


def train(trained: Learner) -> tuple[list, dict, object]:
    """Losses and accuracies, all that is kept of a run, and what the last replayed step took."""
    found, counts = [], None
    for number in range(STEPS):
        given, before = batch(trained, number), getattr(trained.captured, "replays", 0)
        with counted() as now:
            found.append(trained.step(given))
        if getattr(trained.captured, "replays", 0) > before:
            counts = now
    return found, {name: one.cpu() for name, one in trained.state()[0].items()}, counts


ALL = [case if case in FEW else pytest.param(case, marks=pytest.mark.slow) for case in CAPTURED]


@pytest.mark.parametrize("case", ALL)
def test_sets_of_tasks_share_graphs_and_give_what_they_give_alone(device, monkeypatch, case):
    method, options, balance, most = CAPTURED[case]
    ours = learner(device, method, options, "auto", balance)
    steps, state, counts = train(ours)
    assert ours.captured.refused == ""
    assert ours.captured.replays >= 5 and ours.captured.captures <= STEPS // 3
    assert counts.waits.total() <= 1, counts.waits
    assert counts.operations.total() <= most, counts.operations

    with monkeypatch.context() as patched:  # nothing is captured
        patched.setattr(CapturedSteps, "_pays", lambda _: False)
        eager = learner(device, method, options, "auto", balance)
        again, same, _ = train(eager)
        assert again == steps and eager.captured.captures == 0
        assert all(torch.equal(same[name], state[name]) for name in state)

    plain = learner(device, method, options, "off", balance)
    wanted, alone, _ = train(plain)
    near = 2e-2 if options.get("precision") == "amp" else 1e-4
    assert [one.loss for one in steps] == pytest.approx([one.loss for one in wanted], rel=near)
    for name, value in alone.items():
        torch.testing.assert_close(state[name], value, rtol=near, atol=near * 1e-1, msg=name)


def test_a_task_without_images_stays_where_it_is(device):
    """Zeros for a gradient would have its momentum move it."""
    ours = learner(device, "CoOp", {}, "auto")
    contexts = [one.ctx for one in ours.method.learners]
    for number in range(STEPS):
        given, before = batch(ours, number), [one.detach().cpu().clone() for one in contexts]
        ours.step(given)
        present = set(TASKS.present(given["label"]))
        moved = {
            i for i, (one, old) in enumerate(zip(contexts, before)) if (one.cpu() != old).any()
        }
        assert moved == present
    assert ours.captured.replays


def test_where_all_classes_are_in_the_loss_no_superset_is_taken(device):
    """So tasks without images have gradients, too."""
    plain, ours = (
        learner(device, "CoOp", {"softmax": "joint"}, graph) for graph in ("off", "auto")
    )
    for number in range(5):
        assert ours.step(batch(ours, number)) == plain.step(batch(plain, number))
    assert ours.captured.replays == 3
    states = [one.state()[0] for one in (ours, plain)]
    assert all(torch.equal(*(state[name].cpu() for state in states)) for name in states[0])


def test_a_run_with_supersets_goes_on_from_its_state(device):
    whole, again = (learner(device, "SoftCPT", {}, "auto") for _ in range(2))
    for number in range(12):
        whole.step(batch(whole, number))
    tensors, facts = whole.state()
    again.load_state({name: one.clone() for name, one in tensors.items()}, facts, 0, "state")
    rest = [batch(whole, number) for number in range(12, 20)]
    assert [again.step(one) for one in rest] == [whole.step(one) for one in rest]
    ours, theirs = again.state()[0], whole.state()[0]
    assert all(torch.equal(ours[name].cpu(), theirs[name].cpu()) for name in theirs)


ASK = {
    "CoOp, csc": ("CoOp", {"csc": True}, "each class has a context of its own"),
    "UPT, dropout": ("UPT", {"n_ctx": 2, "dropout": 0.5}, "contexts are of no task"),
}


@pytest.mark.parametrize("case", ASK)
def test_what_asks_for_its_tasks_is_done_as_always_and_said_once(device, caplog, case):
    method, options, reason = ASK[case]
    caplog.set_level("INFO")
    plain, ours = (learner(device, method, options, graph) for graph in ("off", "auto"))
    found = []
    for trained in (plain, ours):
        torch.manual_seed(3)  # of the dropout
        found.append([trained.step(batch(trained, number)) for number in range(3)])
    assert found[0] == found[1]
    lines = [line for line in caplog.messages if "OPTIM.GRAPH" in line]
    assert len([line for line in lines if reason in line]) == 1
