"""What a task's gradient does to the others' losses: against a plain statement in float64, and in
runs, which it leaves as they are."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from softcpt import Task, TaskClassifier, TaskSet
from softcpt.engine.learner import Learner
from softcpt.engine.lookahead import Lookahead
from tests.helpers.runs import identical, interrupted_before, prompt, run

TASKS = TaskSet([Task("a", ["x", "y"]), Task("b", ["u", "v", "w"]), Task("c", ["k", "l"])])
RATE = 0.3


class Linear(TaskClassifier):
    """Logits W f in float64, of features as they are."""

    def __init__(self, clip, tasks, options):
        super().__init__(clip, tasks, options)
        start = torch.randn(
            tasks.num_classes, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64
        )
        self.weight = torch.nn.Parameter(start)

    def image_features(self, features):
        return features

    def logits(self, features, tasks=None, classes=None):
        # A step on one task moves the others' logits, too: all classes share half of the weights.
        shared = self.weight + self.weight.mean(dim=0)
        return features @ shared[self.tasks.chosen(tasks, classes)[1]].T


def loss_of(weight: Tensor, task: int, features: Tensor, labels: list[int]) -> Tensor:
    """Mean over the task's images of -log p, image by image."""
    shared, first, total = weight + weight.mean(dim=0), TASKS.offsets[task], 0
    mine = [n for n, label in enumerate(labels) if TASKS.to_local(label)[0] == task]
    for n in mine:
        scores = [features[n] @ shared[first + c] for c in range(TASKS.sizes[task])]
        right = scores[labels[n] - first]
        total = total - right + torch.stack(scores).exp().sum().log()
    return total / len(mine)


def affinities(weight: Tensor, features: Tensor, labels: list[int], present: list[int]) -> Tensor:
    table = torch.full((3, 3), math.nan, dtype=torch.float64)
    for i in present:
        at = weight.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss_of(at, i, features, labels), at)
        for j in present:
            with torch.no_grad():
                before = loss_of(at, j, features, labels)
                after = loss_of(at - RATE * gradient, j, features, labels)
                table[i, j] = 1 - after / before
    return table


def test_affinities_are_tags_equation_over_the_steps_of_the_run(clip):
    generator = torch.Generator().manual_seed(0)
    batches = []
    for labels in ([0, 1, 3, 4, 2, 0], [1, 0, 1], [3, 1, 2, 2], [5, 0, 6, 1]):
        features = torch.randn(len(labels), 4, generator=generator, dtype=torch.float64)
        batches.append({"features": features, "label": torch.tensor(labels), "kind": "global"})
    method = Linear(clip, TASKS, Linear.Options())
    optimiser = torch.optim.SGD(method.parameters(), lr=RATE, momentum=0.5)
    lookahead = Lookahead(every=2)
    learner = Learner(method, optimiser, lookahead=lookahead)
    measured = []
    for number, batch in enumerate(batches):
        if number % 2 == 0:
            labels = batch["label"].tolist()
            present = TASKS.present(batch["label"])
            measured.append(affinities(method.weight, batch["features"], labels, present))
        learner.step(batch)
    wanted = torch.stack(measured).nanmean(dim=0)
    found = lookahead.result()
    assert (found["every"], found["steps"]) == (2, 2) and "val" not in found
    ours = torch.tensor([[math.nan if z is None else z for z in row] for row in found["train"]])
    torch.testing.assert_close(ours.double(), wanted, rtol=1e-6, atol=1e-9, equal_nan=True)
    assert found["train"][2] == [None] * 3  # task c had no image in a batch that was measured


# -- runs ------------------------------------------------------------------------------------------

SHORT = ("OPTIM.MAX_EPOCH", "2", "TRAIN.LOOKAHEAD")


@pytest.mark.parametrize(
    ("trainer", "options"),
    [
        ("CoOpMT", ()),
        pytest.param("ProGrad", (), marks=pytest.mark.slow),
        pytest.param("SoftCPT", ("TRAINER.SOFTCPT.CLS_SAMPLE_RATE", "0.5"), marks=pytest.mark.slow),
        pytest.param("VPT", ("TRAINER.VPT.DROPOUT", "0.2"), marks=pytest.mark.slow),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_run_is_the_same_with_it(tmp_path, trainer, options):
    plain = run(tmp_path, trainer, *SHORT, "0", *options, out="plain")
    watched = run(tmp_path, trainer, *SHORT, "1", *options, out="watched")
    assert identical(prompt(tmp_path / "plain"), prompt(tmp_path / "watched"))
    assert "affinities" not in plain and watched["curve"] == plain["curve"]
    found = watched["affinities"]
    # Image prompts change features: validation images would be encoded at every step.
    assert ("val" in found) == (trainer != "VPT")
    assert found["steps"] > 1 and all(math.isfinite(z) for row in found["train"] for z in row)
    if trainer == "CoOpMT":  # a small step on a task lowers its own loss
        assert all(found["train"][task][task] > 0 for task in range(2))


def test_a_run_that_was_stopped_continues_with_what_it_measured(tmp_path, capsys):
    whole = run(tmp_path, "CoOpMT", *SHORT, "3", out="whole")
    with interrupted_before(1):
        run(tmp_path, "CoOpMT", *SHORT, "3", out="stopped")
    with pytest.raises(SystemExit):
        run(tmp_path, "CoOpMT", *SHORT, "1", out="stopped")
    assert "TRAIN.LOOKAHEAD 3, not 1; give the same, or delete it" in capsys.readouterr().err
    assert run(tmp_path, "CoOpMT", *SHORT, "3", out="stopped")["affinities"] == whole["affinities"]
