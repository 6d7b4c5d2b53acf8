"""Captured steps are the plain ones, bit for bit: on the emulated device, whose graphs record
without doing, and refuse what CUDA refuses."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import SequentialSampler

import softcpt
from softcpt.engine import captured
from softcpt.engine.balance_settings import BalanceSettings
from softcpt.engine.batches import GivenFeatures
from softcpt.engine.learner import Learner
from softcpt.engine.lookahead import Lookahead
from softcpt.engine.task_balance import TaskBalance
from softcpt.errors import UserError
from softcpt.features import on_device
from softcpt.features.on_device import OnDevice
from softcpt.prompters.coop import CoOp
from softcpt.testing.emulated_counts import Counts, counted
from softcpt.testing.emulated_device import EmulatedDevice
from softcpt.testing.emulated_graph import EmulatedGraph, emulated_graphs
from tests.helpers.coop_family import TASK_SETS
from tests.helpers.toy import WEIGHTS

pytestmark = pytest.mark.skipif(
    not EmulatedDevice.available(), reason="this torch registers no device in Python"
)

TASKS = TASK_SETS["three tasks"]
TWO_TASKS = [0, 2, 5, 6, 7, 0]  # no image of the second
STEPS = 4  # seen, captured, replayed twice

# Method, options, balance of tasks, and the operations that a replayed step takes at most. The
# optimiser has three for each parameter here, and three for all of them on CUDA.
CAPTURED = {
    "CoOp": ("CoOp", {}, {}, 14),
    "CoOp, adam": ("CoOp", {"adam": True}, {}, 20),
    "CoOp, bf16": ("CoOp", {"precision": "bf16"}, {}, 14),
    "CoOp, csc": ("CoOp", {"csc": True}, {}, 14),
    "CoOp, fp16": ("CoOp", {"precision": "fp16"}, {}, 16),
    "CoOp, running means": ("CoOp", {}, {"weighting": "running_mean", "shares": "tasks"}, 14),
    "CoOp, uncertainty": ("CoOp", {}, {"weighting": "uncertainty"}, 17),
    "CoOp-MT": ("CoOp", {"per_task": False}, {}, 10),
    "KgCoOp": ("KgCoOp", {}, {}, 14),
    "ProGrad": ("ProGrad", {}, {}, 14),
    "SoftCPT": ("SoftCPT", {}, {}, 14),
    "SoftCPT, amp": ("SoftCPT", {"precision": "amp"}, {}, 16),
    "SoftCPT, bounded": ("SoftCPT", {"max_text_tokens": 16}, {}, 14),
    "SoftCPT, csc": ("SoftCPT", {"csc": True}, {}, 18),
    "SoftCPT, fedtpg": ("SoftCPT", {"generator": "fedtpg"}, {}, 74),
    "SoftCPT, free features": ("SoftCPT", {"task_text": "none", "weight": 1.0}, {}, 14),
    "SoftCPT, mpt": ("SoftCPT", {"generator": "mpt"}, {}, 18),
    "UPT": ("UPT", {"n_ctx": 2}, {}, 82),
    "VPT": ("VPT", {"n_ctx": 2}, {}, 14),
}

# Method, options, what else the learner is given, and why the step is not captured.
PLAIN = {
    "CoCoOp": ("CoCoOp", {"n_ctx": 2}, {}, "reads labels on the host"),
    "PLOT": ("PLOT", {}, {}, "reads labels on the host"),
    "VPT, dropout": ("VPT", {"n_ctx": 2, "dropout": 0.5}, {}, "draws random numbers"),
    "classes sampled": ("CoOp", {"cls_sample_rate": 0.5}, {}, "reads labels on the host"),
    "lookahead": ("CoOp", {}, {"lookahead": Lookahead(2)}, "TRAIN.LOOKAHEAD"),
    "pcgrad": ("CoOp", {"per_task": False, "gradients": "pcgrad"}, {}, "pcgrad"),
}


class Counting(CoOp):
    """A method of other code, whose loss depends on a number of the host that changes."""

    calls = 0

    def loss(self, *args, **kwargs):
        self.calls += 1
        loss, accuracy = super().loss(*args, **kwargs)
        return loss * self.calls, accuracy


@pytest.fixture(scope="module")
def device():
    with EmulatedDevice() as found, emulated_graphs():
        yield found.device


@pytest.fixture(scope="module")
def clips(device):
    loaded = {}

    def clip(precision: str = "fp32") -> softcpt.Clip:
        if precision not in loaded:
            loaded[precision] = softcpt.load_clip(WEIGHTS, precision, device)
        return loaded[precision]

    return clip


def learner(clips, method: str, options: dict, graph: str, balance=None, **more) -> Learner:
    """With a schedule, whose rate is another in every epoch."""
    torch.manual_seed(0)
    options = dict(options)
    clip, adam = clips(options.pop("precision", "fp32")), options.pop("adam", False)
    balance = dict(balance or {}) | {k: options.pop(k) for k in ("gradients",) if k in options}
    prompter = softcpt.build_prompter(method, clip, TASKS, **options)
    kind = {"lr": 0.002} if adam else {"lr": 0.002, "momentum": 0.9, "weight_decay": 5e-4}
    optimiser = (torch.optim.Adam if adam else torch.optim.SGD)(prompter.parameters(), **kind)
    balanced = TaskBalance(BalanceSettings(**balance), prompter) if balance else None
    if balanced is not None:
        balanced.join(optimiser)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 4)
    return Learner(prompter, optimiser, schedule, balance=balanced, graph=graph, **more)


def batch(trained: Learner, number: int, labels: list[int] = TWO_TASKS) -> dict:
    """The batch of that number, of images with these labels in another order each time."""
    generator, clip = torch.Generator().manual_seed(number), trained.method.clip
    order = torch.randperm(len(labels), generator=generator)
    found = {"label": torch.tensor(labels)[order]}
    if trained.method.prompts_images:
        size = (3, clip.image_size, clip.image_size)
        return {**found, "images": torch.randn(len(labels), *size, generator=generator)}
    size = (5, clip.embed_dim) if trained.method.local_features else (clip.embed_dim,)
    features = torch.randn(len(labels), *size, generator=generator)
    return {**found, "features": features, "kind": "spatial" if len(size) > 1 else "global"}


def train(trained: Learner, batches: list[dict]) -> tuple[list, Counts]:
    """Losses and accuracies, with the schedule stepped after every second batch; and what the last
    step took."""
    found = []
    torch.manual_seed(5)
    for number, given in enumerate(batches):
        with counted() as counts:
            found.append(trained.step(given))
        if number % 2:
            trained.update_rate()
    return found, counts


def assert_same(one: Learner, other: Learner) -> None:
    """Parameters, the optimiser's state and the balance's, bit for bit."""
    ours, theirs = one.state()[0], other.state()[0]
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if not torch.equal(ours[name].cpu(), theirs[name].cpu())]


FEW = ("CoOp", "CoOp, bf16", "CoOp, running means", "ProGrad", "SoftCPT", "SoftCPT, csc", "VPT")
ALL = [case if case in FEW else pytest.param(case, marks=pytest.mark.slow) for case in CAPTURED]


@pytest.mark.parametrize("case", ALL)
def test_captured_steps_are_the_plain_ones_bit_for_bit(clips, case):
    method, options, balance, most = CAPTURED[case]
    plain = learner(clips, method, options, "off", balance)
    ours = learner(clips, method, options, "auto", balance)
    given = [batch(plain, number) for number in range(STEPS)]
    wanted, _ = train(plain, given)
    found, counts = train(ours, given)
    assert found == wanted
    assert_same(ours, plain)
    assert (ours.captured.captures, ours.captured.replays) == (1, STEPS - 2)
    assert counts.waits.total() <= 1, counts.waits
    assert counts.operations.total() <= most, counts.operations


@pytest.mark.parametrize("case", PLAIN)
def test_what_cannot_be_captured_is_done_as_always_and_said_once(clips, caplog, case):
    method, options, more, reason = PLAIN[case]
    caplog.set_level("INFO")
    if "lookahead" in more:
        more = {"lookahead": Lookahead(more["lookahead"].every)}
    plain = learner(clips, method, options, "off")
    ours = learner(clips, method, options, "auto", **more)
    given = [batch(plain, number) for number in range(3)]
    wanted, _ = train(plain, given)
    assert train(ours, given)[0] == wanted
    assert_same(ours, plain)
    lines = [line for line in caplog.messages if "OPTIM.GRAPH" in line]
    assert len(lines) == 1 and reason in lines[0] and len(ours.captured) == 0


def test_images_of_several_classes_are_captured_as_long_as_these_are_of_one_task(clips):
    plain, ours = (learner(clips, "CoOp", {}, graph) for graph in ("off", "auto"))
    several = {0: 2, 2: -1, 5: 7, 6: 5, 7: -1}  # a second class of the same task, or none
    given = [batch(plain, number) for number in range(5)]
    for one in given:
        others = torch.tensor([several[label] for label in one["label"].tolist()])
        one["label"] = torch.stack([one["label"], others], dim=1)
    given[4]["label"][:, 1] = 3  # of another task
    given[4]["label"][:, 0] %= 3
    assert train(ours, given)[0] == train(plain, given)[0]
    assert_same(ours, plain)
    assert (ours.captured.captures, ours.captured.replays, ours.captured.refused) == (1, 2, "")
    given[4]["label"] = given[4]["label"].clone()
    assert train(ours, given[4:])[0] == train(plain, given[4:])[0]
    assert ours.captured.refused == "it reads labels on the host"


def test_every_size_and_set_of_tasks_has_a_graph_of_its_own(clips):
    plain, ours = (learner(clips, "CoOp", {}, graph) for graph in ("off", "auto"))
    parts = [TWO_TASKS, [0, 1, 2], [3, 4, 0, 1, 2, 5]]  # tasks 1 and 3; 1; all
    given = [batch(plain, 10 * time + k, part) for time in range(3) for k, part in enumerate(parts)]
    given.append(batch(plain, 99, TWO_TASKS[:5]))  # a last batch that is smaller
    assert train(ours, given)[0] == train(plain, given)[0]
    assert_same(ours, plain)
    assert (ours.captured.captures, ours.captured.replays, len(ours.captured)) == (3, 3, 3)


def test_where_no_loss_depends_on_the_tasks_all_sets_of_them_share_a_graph(clips):
    plain, ours = (learner(clips, "VPT", {"n_ctx": 2}, graph) for graph in ("off", "auto"))
    parts = [TWO_TASKS, TWO_TASKS, [0, 1, 2, 0, 1, 2], [3, 4, 0, 1, 2, 5]]
    given = [batch(plain, number, part) for number, part in enumerate(parts)]
    assert train(ours, given)[0] == train(plain, given)[0]
    assert (ours.captured.captures, ours.captured.replays) == (1, 2)


def test_graphs_are_bounded_and_made_only_while_they_are_used(clips, monkeypatch):
    monkeypatch.setattr(captured, "MOST_GRAPHS", 1)
    plain, ours = (learner(clips, "CoOp", {}, graph) for graph in ("off", "auto"))
    sizes = [6, 6, 6, 5, 5, 6, 6, 6, 6, 5, 5, 5]
    given = [batch(plain, n, TWO_TASKS[:size]) for n, size in enumerate(sizes)]
    assert train(ours, given)[0] == train(plain, given)[0]
    # 6: captured once, replayed 5 times; only then 5 is worth one, which takes its place.
    assert (ours.captured.captures, ours.captured.replays, len(ours.captured)) == (2, 7, 1)


def test_a_graph_holds_the_tables_of_text_that_a_cache_may_drop(clips):
    ours = learner(clips, "SoftCPT", {}, "auto")
    train(ours, [batch(ours, number) for number in range(2)])
    (step,) = ours.captured._kept.values()
    encoder = ours.method.clip.text
    passes = [one for kept in encoder._prepared.values() for one in kept._passes.values()]
    assert len(step._tape.held) == 2  # of tasks' names and of classes'
    assert all(any(one is held for one in passes) for held in step._tape.held)


def test_a_run_with_graphs_goes_on_from_its_state(clips):
    whole, again = (learner(clips, "SoftCPT", {}, "auto") for _ in range(2))
    train(again, [batch(again, number) for number in range(40, 44)])  # it has graphs, and is reset
    train(whole, [batch(whole, number) for number in range(STEPS)])
    tensors, facts = whole.state()
    again.schedule.load_state_dict(whole.schedule.state_dict())
    again.optimiser.param_groups[0]["lr"] = whole.rate
    again.load_state({name: one.clone() for name, one in tensors.items()}, facts, 0, "state")
    assert len(again.captured) == 0
    rest = [batch(whole, number) for number in range(STEPS, 2 * STEPS)]
    assert train(again, rest)[0] == train(whole, rest)[0]
    assert_same(again, whole)


def test_a_loss_that_is_not_finite_ends_the_run_in_its_step(clips):
    ours = learner(clips, "CoOp", {}, "auto")
    given = [batch(ours, number) for number in range(4)]
    given[3]["features"][0] = torch.nan
    train(ours, given[:3])
    assert ours.captured.replays == 1
    with pytest.raises(UserError, match=r"loss is nan in epoch 1, step 4"):
        ours.step(given[3])


def test_a_method_of_other_code_is_captured_if_it_says_so_itself(clips, monkeypatch):
    monkeypatch.setitem(softcpt.prompters.METHODS, "Counting", (Counting, {}))
    plain, ours = (learner(clips, "Counting", {}, graph) for graph in ("off", "auto"))
    given = [batch(plain, number) for number in range(STEPS)]
    assert train(ours, given)[0] == train(plain, given)[0]
    assert "Counting is of other code" in ours.captured.refused
    # It should not say so: its number is what it was when the step was captured.
    monkeypatch.setattr(Counting, "capturable", True, raising=False)
    plain, ours = (learner(clips, "Counting", {}, graph) for graph in ("off", "auto"))
    assert train(ours, given)[0] != train(plain, given)[0]
    assert ours.captured.replays == STEPS - 2


def test_hooks_that_are_added_are_called(clips):
    plain, ours = (learner(clips, "SoftCPT", {}, graph) for graph in ("off", "auto"))
    given = [batch(plain, number) for number in range(4)]
    wanted = train(plain, given)[0]
    found = train(ours, given[:3])[0]
    calls = []
    ours.method.prompt_gen.register_forward_hook(lambda *_: calls.append(1))
    found += train(ours, given[3:])[0]
    assert calls == [1] and "hooks" in ours.captured.refused
    assert [one.loss for one in found] == [one.loss for one in wanted]


# -- the emulated graph ----------------------------------------------------------------------------


def test_a_capture_does_nothing_until_it_is_replayed(device):
    x, total = torch.ones(3).to(device), torch.zeros(3).to(device)
    factor = torch.tensor(2.0)  # on the host: read when it is captured
    graph = EmulatedGraph(device)

    def work():
        total.add_(x)
        return x.view(1, 3) * factor + 1

    y = graph.capture(work)
    assert total.tolist() == [0, 0, 0] and y.isnan().all()
    factor.fill_(7)
    for number in (1, 2):
        x.fill_(number)
        graph.replay()
        assert y.tolist() == [[2 * number + 1] * 3]
    assert total.tolist() == [3, 3, 3]


REFUSED = {
    "a copy from pageable memory": lambda x: x + torch.ones(3).to(x.device),
    "a copy from pinned memory": lambda x: (
        torch.ones(3).pin_memory().to(x.device, non_blocking=True)
    ),
    "a copy to the host": lambda x: x.cpu(),
    "a mask as index": lambda x: x[x > 0],
    "a number made on the device": lambda x: torch.tensor([1.0], device=x.device),
    "a truth": lambda x: bool(x.sum() > 0),
    "a value": lambda x: x.tolist(),
    "an index on the host": lambda x: x[torch.tensor([0, 2])],
    "places of what is not zero": lambda x: x.nonzero(),
}


@pytest.mark.parametrize("work", REFUSED)
def test_a_capture_refuses_what_cuda_refuses(device, work):
    x = torch.ones(3).to(device)
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        EmulatedGraph(device).capture(lambda: REFUSED[work](x))
    assert (x + 1).tolist() == [2, 2, 2]  # and it is over


def test_a_capture_that_fails_says_why_and_the_steps_go_on(clips, monkeypatch):
    def fails(*_):
        try:
            raise RuntimeError("no more memory\nsome addresses")
        finally:
            raise RuntimeError("the capture was invalidated")  # as when torch ends it

    monkeypatch.setattr(EmulatedGraph, "capture", fails)
    plain, ours = (learner(clips, "CoOp", {}, graph) for graph in ("off", "auto"))
    given = [batch(plain, number) for number in range(3)]
    assert train(ours, given)[0] == train(plain, given)[0]
    assert_same(ours, plain)
    assert ours.captured.refused == "no more memory"


# -- features on the device ------------------------------------------------------------------------


def epochs(trained: Learner, place: OnDevice | None) -> tuple[list, Counts]:
    """Steps of three epochs with two views of 10 images, in batches of 4 and a last of 2."""
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(10, 2, trained.method.clip.embed_dim, generator=generator)
    labels = torch.tensor([0, 1, 2, 5, 6, 7, 5, 0, 6, 2])
    order = SequentialSampler(range(10))
    batches = GivenFeatures(features, labels, TASKS.owners(labels), order, 4, place=place)
    found = []
    for epoch in range(3):
        trained.begin_epoch(epoch, batches)
        for given in batches:
            with counted() as counts:
                found.append(trained.step(given))
        trained.end_epoch()
        trained.update_rate()
    return found, counts


@pytest.mark.parametrize("graph", ["auto", "off"])
def test_features_on_the_device_give_the_same_steps(clips, device, monkeypatch, graph):
    monkeypatch.setattr(on_device, "free_bytes", lambda _: 10**9)
    plain, ours = learner(clips, "CoOp", {}, "off"), learner(clips, "CoOp", {}, graph)
    wanted, _ = epochs(plain, None)
    found, counts = epochs(ours, OnDevice("auto", device))
    assert found == wanted
    assert_same(ours, plain)
    assert counts.waits.total() <= 1, counts.waits


def test_a_batch_of_features_on_the_device_takes_one_copy_and_no_wait(clips, device):
    labels = torch.tensor([0, 1, 2, 5])
    order = SequentialSampler(range(4))
    place = OnDevice("cuda", device)
    given = GivenFeatures(torch.eye(4), labels, TASKS.owners(labels), order, 4, place=place)
    list(given)
    with counted() as counts:
        (found,) = list(given)
    assert not counts.waits
    assert counts.operations == {"_to_copy": 1, "index_select": 1}
    assert found["label"].tolist() == labels.tolist() and found["features"].device == device


def test_features_that_do_not_fit_stay_on_the_host_with_one_line(device, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(on_device, "free_bytes", lambda _: 159)
    place, features = OnDevice("auto", device), torch.ones(10)
    assert place.put(features, 0) is features and place.put(features, 1) is features
    assert len(caplog.messages) == 1 and "stay on the host" in caplog.messages[0]
    monkeypatch.setattr(on_device, "free_bytes", lambda _: 160)
    assert place.put(features, 2).device == device
    with pytest.raises(UserError, match=r"FEATURES.DEVICE is cuda: the towers are on cpu"):
        OnDevice("cuda", torch.device("cpu"))


def test_a_fit_on_a_device_with_graphs_gives_the_same_prompt(clips):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(16, 2, clips().embed_dim, generator=generator)
    data = softcpt.FeatureData(TASKS, features, torch.arange(16) % 8)
    settings = {"epochs": 4, "batch_size": 8, "n_ctx": 2, "warmup_epochs": 1, "progress": False}
    plain = softcpt.fit("SoftCPT", clips(), data, **settings)
    ours = softcpt.fit("SoftCPT", clips(), data, **settings, graph="auto", features_device="cuda")
    assert ours.record.curve == plain.record.curve
    states = [fitted.method.state_dict() for fitted in (ours, plain)]
    assert all(torch.equal(*(state[name].cpu() for state in states)) for name in states[0])
