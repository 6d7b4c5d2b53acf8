"""The balance of tasks against a plain statement: losses, gradients, steps; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import softcpt
from softcpt.engine.balance_settings import BalanceSettings
from softcpt.engine.pcgrad import conflict_weights
from softcpt.engine.task_balance import TaskBalance
from softcpt.errors import UserError
from softcpt.prompters.prograd import distillation, project
from tests.helpers.coop_family import FRUIT, LAND, SIGNS, TASK_SETS, build
from tests.helpers.runs import identical, interrupted_before, prompt, run

TASKS = TASK_SETS["three tasks"]
SHARED = {"per_task": False}
# Every kind of loss: inside a task, over all classes, of some classes, with a term beside it, with
# other gradients, of prompted images.
METHODS = {
    "CoCoOp-MT": ("CoCoOp-MT", {"n_ctx": 2}),
    "CoOp-MT": ("CoOp-MT", {"n_ctx": 2}),
    "CoOp-MT joint": ("CoOp-MT", {"n_ctx": 2, "softmax": "joint"}),
    "KgCoOp": ("KgCoOp", {**SHARED, "weight": 1.5}),
    "PLOT": ("PLOT", {**SHARED, "n_ctx": 2, "n_prompts": 2}),
    "ProGrad": ("ProGrad", {**SHARED, "n_ctx": 3, "ctx_init": ""}),
    "SoftCPT": ("SoftCPT", {"n_ctx": 2, "task_n_ctx": 2}),
    "SoftCPT held": ("SoftCPT", {"n_ctx": 2, "task_n_ctx": 2, "weight": 1.5}),
    "SoftCPT of classes": ("SoftCPT", {"n_ctx": 2, "csc": True, "max_text_tokens": 16}),
    "SoftCPT sampled": ("SoftCPT", {"n_ctx": 2, "cls_sample_rate": 0.4}),
    "UPT": ("UPT", {"n_ctx": 2, "softmax": "task", "project_dim": 8}),
    "VPT": ("VPT", {"n_ctx": 2}),
}
BALANCES = {
    "all": {"shares": "tasks", "weights": ("road_signs=3",), "weighting": "uncertainty"},
    "fixed": {"weights": (0.5, 2, 3.0)},
    "running mean": {"weighting": "running_mean", "mean_factor": 0.7},
    "shares": {"shares": "tasks"},
    "uncertainty": {"weighting": "uncertainty"},
}


def built(clip, case):
    method, options = METHODS[case]
    return build(method, clip, TASKS, **options)


def balanced(method, **settings):
    return TaskBalance(BalanceSettings(**settings), method).double()


def inputs(method, step=0):
    """Features and labels of a batch; in the second step the first task has no image."""
    generator = torch.Generator().manual_seed(7 + step)
    clip = method.clip
    labels = torch.tensor([[0, 2, 1, 3, 5, 7, 6, 0, 2], [3, 4, 5, 6, 7, 7, 4, 3, 5]][step % 2])
    if method.prompts_images:
        size = (len(labels), 3, clip.image_size, clip.image_size)
        images = torch.randn(size, generator=generator, dtype=torch.float64)
        return method.encode_image(images), labels
    size = (len(labels), *((5,) if method.local_features else ()), clip.embed_dim)
    return F.normalize(torch.randn(size, generator=generator, dtype=torch.float64), dim=-1), labels


def task_losses(method, features, labels):
    """{task: L_t}, from the logits of the task's images and the classes that count."""
    torch.manual_seed(3)
    rate = getattr(method.options, "cls_sample_rate", 0)
    chosen = TASKS.sample_classes(labels, rate).tolist() if rate else list(range(8))
    owners, found = TASKS.task_of_class[labels], {}
    for task in range(len(TASKS)):
        mine = owners == task
        if not mine.any():
            continue
        joint = method.options.softmax == "joint"
        columns = [c for c in chosen if joint or TASKS.task_of_class[c] == task]
        targets = torch.tensor([columns.index(label) for label in labels[mine].tolist()])
        found[task] = F.cross_entropy(method.logits(features[mine])[:, columns], targets)
    return found


def share_of(labels, task):
    """n_t / B."""
    return (TASKS.task_of_class[labels] == task).sum().item() / len(labels)


def beside(method, labels):
    """What the method adds to the cross-entropy."""
    if not getattr(method.options, "weight", 0):
        return 0.0
    present = sorted(set(TASKS.task_of_class[labels].tolist()))
    classes = TASKS.classes_of(present)
    cosines = (method.class_embeddings(present) * method.hand_written[classes]).sum(dim=1)
    return method.options.weight * (1 - cosines.mean())


def loss_of(method, balance, features, labels, scale=1.0):
    torch.manual_seed(3)
    return balance.loss(method, features, labels, scale)


def gradients_of(loss, parameters, retain=False):
    found = torch.autograd.grad(loss, parameters, retain_graph=retain, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, parameters)]


def close(ours, wanted, tolerance=1e-9):
    assert len(ours) == len(wanted)
    for a, b in zip(ours, wanted):
        assert (a - b).norm() <= tolerance * (b.norm() + 1e-12)


@pytest.mark.parametrize("case", METHODS)
def test_equal_weights_give_the_methods_own_loss_and_gradients(double_clip, case):
    method = built(double_clip, case)
    balance, parameters = balanced(method, weights=(1, 1, 1)), list(method.parameters())
    features, labels = inputs(method)
    torch.manual_seed(3)
    plain, right = method.loss(features, labels)
    wanted = gradients_of(plain, parameters, retain=True)
    loss, accuracy = loss_of(method, balance, features, labels)
    assert loss.item() == pytest.approx(plain.item(), rel=1e-12) and accuracy == right
    close(gradients_of(loss, parameters), wanted)


@pytest.mark.parametrize("settings", BALANCES)
@pytest.mark.parametrize("case", ["CoOp-MT", "KgCoOp", "SoftCPT", "SoftCPT sampled"])
def test_three_steps_are_those_of_the_statement(double_clip, case, settings):
    method, settings = built(double_clip, case), BALANCES[settings]
    balance, parameters = balanced(method, **settings), list(method.parameters())
    optimiser = torch.optim.SGD(parameters, lr=0.1, weight_decay=0.01)
    balance.join(optimiser)
    weights = {(): [1, 1, 1], (0.5, 2, 3.0): [0.5, 2, 3], ("road_signs=3",): [1, 3, 1]}
    weights = weights[settings.get("weights", ())]
    variances = [torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in TASKS]
    seen = [[], [], []]
    for step in range(3):
        features, labels = inputs(method, step)
        losses, total = task_losses(method, features, labels), beside(method, labels)
        for task, loss in losses.items():
            even = settings.get("shares") == "tasks"
            share = 1 / len(losses) if even else share_of(labels, task)
            if settings.get("weighting") == "running_mean":
                seen[task].append(loss.item())
                past = [0.7**age for age in range(len(seen[task]))][::-1]
                loss = loss / (np.dot(past, seen[task]) / sum(past))
            if settings.get("weighting") == "uncertainty":
                loss = torch.exp(-variances[task]) * loss + variances[task] / 2
            total = total + share * weights[task] * loss
        wanted = gradients_of(total, [*parameters, *variances])
        loss, _ = loss_of(method, balance, features, labels)
        optimiser.zero_grad()
        loss.backward()
        assert loss.item() == pytest.approx(total.item(), rel=1e-9)
        close([p.grad for p in parameters], wanted[: len(parameters)])
        optimiser.step()
        with torch.no_grad():
            for variance, gradient in zip(variances, wanted[len(parameters) :]):
                variance -= 0.1 * gradient  # without weight decay
    if settings.get("weighting") == "uncertainty":
        close([balance.log_variance], [torch.stack(variances)])
        assert (balance.log_variance != 0).all()


def test_prograd_projects_the_gradient_of_the_weighted_loss(double_clip):
    method = built(double_clip, "ProGrad")
    parameters = list(method.parameters())
    features, labels = inputs(method)
    losses = task_losses(method, features, labels)
    shares = [share_of(labels, task) for task in losses]
    entropy = sum(s * w * one for s, w, one in zip(shares, (0.5, 2, 3), losses.values()))
    student, _ = TASKS.restrict(method.logits(features), labels)
    teacher, _ = TASKS.restrict(method.compare(features, method.hand_written), labels)
    general = gradients_of(distillation(student, teacher, 1.0), parameters)
    wanted = [project(g, h, 1.0) for g, h in zip(gradients_of(entropy, parameters), general)]
    loss, _ = loss_of(method, balanced(method, weights=(0.5, 2, 3)), features, labels)
    close(gradients_of(loss, parameters), wanted)


def projected_by_hand(gradients, orders):
    """Algorithm 1, vector by vector; and how often there was a conflict."""
    total, conflicts = torch.zeros_like(gradients[0]), 0
    for task, order in enumerate(orders):
        own = gradients[task].clone()
        for other in order:
            if other != task and own @ gradients[other] < 0:
                conflicts += 1
                along = gradients[other]
                own -= (own @ along) / (along @ along) * along
        total += own
    return total, conflicts


def orders_of(seed, epoch, count):
    generator = np.random.default_rng([seed, epoch])
    return [generator.permutation(count).tolist() for _ in range(count)]


def test_weights_of_gradients_are_the_projections():
    generator = torch.Generator().manual_seed(0)
    for count in (1, 3, 5, 9):
        gradients = torch.randn(count, 4, generator=generator, dtype=torch.float64)
        wanted, conflicts = projected_by_hand(gradients, orders_of(4, 2, count))
        weights = conflict_weights((gradients @ gradients.T).numpy(), orders_of(4, 2, count))
        assert torch.allclose(torch.from_numpy(weights) @ gradients, wanted, rtol=1e-10)
        assert (weights >= 1).all() and bool(conflicts) == (count > 1)
    assert (conflict_weights(np.array([[1.0, np.inf], [np.inf, 1.0]]), [[0, 1], [1, 0]]) == 1).all()
    assert (conflict_weights(np.array([[1.0, 0.0], [0.0, 0.0]]), [[0, 1], [1, 0]]) == 1).all()


def weighted_gradients(method, features, labels):
    """L_t, and the gradients of p_t w_t L_t, each as one vector."""
    losses, flat, parameters = task_losses(method, features, labels), [], [*method.parameters()]
    for task, loss in losses.items():
        weighted = (5, 1, 5)[task] * share_of(labels, task) * loss
        gradients = gradients_of(weighted, parameters, retain=True)
        flat.append(torch.cat([one.flatten() for one in gradients]))
    return losses, flat


def with_conflicts(method):
    """The first batch of which some task's gradient is projected."""
    for seed in range(0, 200, 2):
        features, labels = inputs(method, seed)
        losses, flat = weighted_gradients(method, features, labels)
        summed, conflicts = projected_by_hand(flat, orders_of(1, 0, 3))
        if conflicts:
            return features, labels, losses, summed
    raise AssertionError("no batch has a conflict")


@pytest.mark.parametrize("case", METHODS)
def test_pcgrad_takes_out_what_conflicts_between_tasks(double_clip, case):
    method = built(double_clip, case)
    parameters = list(method.parameters())
    balance = balanced(method, gradients="pcgrad", weights=(5, 1, 5))
    balance.begin_epoch(1, 0)
    features, labels, losses, summed = with_conflicts(method)
    wanted = [
        part.view_as(p)
        for part, p in zip(summed.split([p.numel() for p in parameters]), parameters)
    ]
    added = beside(method, labels)
    if isinstance(added, torch.Tensor):
        wanted = [a + b for a, b in zip(wanted, gradients_of(added, parameters))]
    if case == "ProGrad":
        student, _ = TASKS.restrict(method.logits(features), labels)
        teacher, _ = TASKS.restrict(method.compare(features, method.hand_written), labels)
        general = gradients_of(distillation(student, teacher, 1.0), parameters)
        wanted = [project(g, h, 1.0) for g, h in zip(wanted, general)]
    loss, accuracy = loss_of(method, balance, features, labels, scale=2.0**16)
    close(gradients_of(loss, parameters), wanted, 1e-8)
    shares = [share_of(labels, task) for task in losses]
    value = added + sum(s * w * one for s, w, one in zip(shares, (5, 1, 5), losses.values()))
    assert loss.item() == pytest.approx(value.item(), rel=1e-9)
    torch.manual_seed(3)
    assert accuracy.item() == pytest.approx(method.loss(features, labels)[1].item(), rel=1e-6)


# -- runs ------------------------------------------------------------------------------------------

ASKED = {
    "pcgrad": {"task_gradients": "pcgrad", "loss_shares": "tasks"},
    "running mean": {"task_weighting": "running_mean"},
    "uncertainty": {"task_weighting": "uncertainty", "task_weights": {"fruit": 2.0}},
}


def small_data(clip):
    names = [softcpt.Task("pets", ["cat", "dog"]), softcpt.Task("fruit", ["apple", "pear", "plum"])]
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(20, clip.embed_dim, generator=generator)
    labels = torch.arange(20) % 5
    return softcpt.FeatureData(softcpt.TaskSet(names), features, labels, features[:5], labels[:5])


def fitted(clip, method="CoOp-MT", **more):
    settings = {"epochs": 3, "batch_size": 10, "n_ctx": 2, "progress": False}
    return softcpt.fit(method, clip, small_data(clip), **(settings | more))


@pytest.mark.parametrize("case", ASKED)
def test_a_balanced_fit_that_was_stopped_goes_on_bit_for_bit(clip, tmp_path, case):
    def interrupt(end):
        if end.epoch == 2:
            raise KeyboardInterrupt

    whole = fitted(clip, "SoftCPT", **ASKED[case])
    with pytest.raises(KeyboardInterrupt):
        fitted(clip, "SoftCPT", folder=tmp_path, callbacks=[interrupt], **ASKED[case])
    resumed = fitted(clip, "SoftCPT", resume_from=tmp_path, **ASKED[case])
    assert identical(resumed.method.state_dict(), whole.method.state_dict())
    assert resumed.record.balance == whole.record.balance
    assert set(whole.record.balance["weights"]) == {"pets", "fruit"}
    plain = fitted(clip, "SoftCPT")
    assert plain.record.balance is None
    assert not identical(plain.method.state_dict(), whole.method.state_dict())


def test_a_balanced_run_continues_and_says_what_it_did(tmp_path):
    flags = [
        *("MULTITASK.WEIGHTING", "uncertainty", "MULTITASK.WEIGHTS", "['flower=2']"),
        *("MULTITASK.GRADIENTS", "pcgrad", "OPTIM.NAME", "adam"),
    ]
    whole = run(tmp_path, "SoftCPT", *flags, out="whole", epochs=3)
    with interrupted_before(2):
        run(tmp_path, "SoftCPT", *flags, out="stopped", epochs=3)
    again = run(tmp_path, "SoftCPT", *flags, out="stopped", epochs=3)
    assert identical(prompt(tmp_path / "whole"), prompt(tmp_path / "stopped"))
    assert again["balance"] == whole["balance"]
    asked = {"shares": "images", "weighting": "uncertainty", "gradients": "pcgrad"}
    assert asked.items() <= whole["balance"].items()
    assert (
        whole["balance"]["weights"]["flower"] != 2.0 and "WEIGHTING: uncertainty" in whole["config"]
    )
    # Of one of its tasks alone the prompt is tested, though there is nothing to balance.
    one = ["--eval-only", "--model-dir", str(tmp_path / "whole")]
    assert run(tmp_path, "SoftCPT", *one, out="tested")["balance"] is None


class OwnLoss(softcpt.TaskClassifier):
    """A method whose loss cannot be balanced."""

    def __init__(self, clip, tasks, options):
        super().__init__(clip, tasks, options)
        self.weight = torch.nn.Parameter(torch.zeros(tasks.num_classes, clip.embed_dim))

    def loss(self, features, labels):
        return (features @ self.weight.T).square().mean(), torch.zeros(())


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("CoOp", {"gradients": "pcgrad"}, "CoOp has parameters of their own for every task"),
        ("GDA", {"shares": "tasks"}, "GDA is fitted without a loss"),
        ("OwnLoss", {"shares": "tasks"}, "the loss of OwnLoss takes no combine"),
        ("SoftCPT", {"weights": (1, 2)}, "2 weights for 3 tasks"),
        ("SoftCPT", {"weights": ("road_sign=2",)}, "did you mean 'road_signs'"),
        ("SoftCPT", {"weights": ("road_signs=-1",)}, "a weight is -1.0"),
        ("SoftCPT", {"weights": ("road_signs=x",)}, "no number behind ="),
        ("SoftCPT", {"weights": (0, 0, 0)}, "all weights are 0"),
        ("SoftCPT", {"weights": ([1], 1, 1)}, r"\[1\] is no weight"),
        ("ZeroShot", {"shares": "tasks"}, "ZeroShot trains nothing"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(clip, method, settings, message):
    if method == "OwnLoss":
        built = OwnLoss(clip, TASKS, OwnLoss.Options())
    else:
        built = softcpt.build_method(method, clip, TASKS)
    with pytest.raises(UserError, match=message) as error:
        TaskBalance(BalanceSettings(**settings), built)
    assert "\n" not in str(error.value)


def test_a_single_task_has_nothing_to_balance(clip):
    one = softcpt.build_method("SoftCPT", clip, softcpt.TaskSet([FRUIT]), n_ctx=2)
    with pytest.raises(UserError, match="a single task, kinds of fruit"):
        TaskBalance(BalanceSettings(weighting="uncertainty"), one)
    with pytest.raises(UserError, match="MULTITASK.WEIGHTING is 'gradnorm': choose none"):
        fitted(clip, task_weighting="gradnorm")
    with pytest.raises(UserError, match="MEAN_FACTOR is 1.0: give 0 to 0.999"):
        fitted(clip, task_weighting="running_mean", mean_factor=1.0)


def test_joint_and_shared_contexts_are_where_gradients_can_conflict(clip):
    tasks = softcpt.TaskSet([FRUIT, SIGNS, LAND])
    found = {
        name: softcpt.build_method(method, clip, tasks, n_ctx=2, **options).shares_parameters
        for name, (method, options) in {
            "CoCoOp-MT csc": ("CoCoOp-MT", {"csc": True}),
            "CoOp": ("CoOp", {}),
            "CoOp joint": ("CoOp", {"softmax": "joint"}),
            "CoOp-MT": ("CoOp-MT", {}),
            "CoOp-MT csc": ("CoOp-MT", {"csc": True}),
            "SoftCPT-NATS": ("SoftCPT-NATS", {}),
            "VPT": ("VPT", {}),
        }.items()
    }
    assert [name for name, shares in found.items() if not shares] == ["CoOp", "CoOp-MT csc"]


@pytest.mark.parametrize("gradients", ["pcgrad", "sum"])
@pytest.mark.parametrize("case", ["KgCoOp", "PLOT", "SoftCPT"])
def test_an_image_of_several_tasks_counts_in_each_of_them(double_clip, case, gradients):
    method = built(double_clip, case)
    features, _ = inputs(method)
    labels = torch.tensor(
        [[0, 3], [5, 2], [1, -1], [7, -1], [4, 6], [0, -1], [3, 2], [6, -1], [1, 5]]
    )
    once = [
        (row, label) for row, both in enumerate(labels.tolist()) for label in both if label >= 0
    ]
    rows, flat = (torch.tensor(values) for values in zip(*once, strict=True))
    parameters = list(method.parameters())
    found = []
    for given in ((features, labels), (features[rows], flat)):
        balance = balanced(method, shares="tasks", weighting="running_mean", gradients=gradients)
        loss, accuracy = loss_of(method, balance, *given)
        loss.backward()
        found.append([loss.detach(), accuracy.double(), *(one.grad for one in parameters)])
        for one in parameters:
            one.grad = None
    for ours, wanted in zip(*found, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-9, atol=1e-12)
