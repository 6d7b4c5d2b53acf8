"""A step on a few of many tasks does no more work than on a few of a few: counted, not timed."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import softcpt
from softcpt import Task, TaskSet
from softcpt.engine.learner import Learner

FEW, MANY, CLASSES = 30, 90, 20
PRESENT = (3, 11, 28)


class Work(TorchDispatchMode):
    """Counts torch's operations, the whole numbers and marks that they give, which tables are of,
    and calls of Python functions."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.numbers = self.calls = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.operations += 1
        for found in tree_leaves(result):
            if isinstance(found, Tensor) and not found.is_floating_point():
                self.numbers += found.numel()
        return result

    def of(self, what: Callable[[], object]) -> Work:
        def count(_frame, event, _argument):
            self.calls += event == "call"

        with self:
            sys.setprofile(count)
            try:
                what()
            finally:
                sys.setprofile(None)
        return self


def many_tasks(count: int) -> TaskSet:
    names = [f"{'abcdefghijklmnopqrst'[i]} thing" for i in range(CLASSES)]
    return TaskSet([Task(f"task {i:04}", names) for i in range(count)])


def labels_of(several: bool) -> Tensor:
    """Of three tasks; with ``several`` an image has two classes, of one task or of two."""
    first = torch.tensor([task * CLASSES + label for task in PRESENT for label in (1, 7, 19)])
    return torch.stack([first, first.roll(1)], dim=1) if several else first


def step_of(clip, method: str, count: int, several: bool) -> Work:
    """A step whose tasks come together for the first time, by a learner that is warm."""
    torch.manual_seed(0)
    tasks = many_tasks(count)
    made = softcpt.build_method(method, clip, tasks, n_ctx=2)
    learner = Learner(made, torch.optim.SGD(list(made.parameters())[:3], 0.1))
    features = torch.randn(9, clip.embed_dim)

    def step(labels: Tensor) -> None:
        learner.step({"features": features, "label": labels, "kind": "global"})

    for _ in range(2):
        step(torch.arange(9))
    return Work().of(lambda: step(labels_of(several)))


@pytest.mark.parametrize("several", [False, True], ids=["one label", "several labels"])
@pytest.mark.parametrize("method", ["CoOp", "KgCoOp", "SoftCPT"])
def test_a_step_does_not_grow_with_tasks_that_are_absent(clip, method, several):
    few, many = (step_of(clip, method, count, several) for count in (FEW, MANY))
    assert many.operations == few.operations
    assert many.calls <= few.calls + 20  # chunks may be cut otherwise
    # A number or two for each task is allowed, one for each class is not.
    assert many.numbers <= few.numbers + 6 * (MANY - FEW)


QUESTIONS = {
    "chosen": lambda tasks, labels: tasks.chosen(tasks.present(labels)),
    "first_of": lambda tasks, labels: tasks.first_of(labels),
    "of_pairs": lambda tasks, labels: tasks.of_pairs(torch.zeros(len(labels), 4), labels),
    "owners": lambda tasks, labels: tasks.owners(labels),
    "restrict": lambda tasks, labels: tasks.restrict(
        torch.zeros(len(labels), len(PRESENT) * CLASSES), labels, tasks.classes_of(PRESENT)
    ),
    "sample_classes": lambda tasks, labels: tasks.sample_classes(labels, 0.5),
}


@pytest.mark.parametrize("several", [False, True], ids=["one label", "several labels"])
@pytest.mark.parametrize("question", sorted(QUESTIONS))
def test_questions_to_a_task_set_cost_what_is_asked(question, several):
    work = []
    for count in (FEW, MANY):
        tasks, labels = many_tasks(count), labels_of(several)
        ask = QUESTIONS[question]
        ask(tasks, labels)  # what is made once is made
        work.append(Work().of(lambda: ask(tasks, labels)))  # noqa: B023 - asked at once
    few, many = work
    assert (many.operations, many.numbers) == (few.operations, few.numbers)
    assert many.calls <= few.calls + 20
