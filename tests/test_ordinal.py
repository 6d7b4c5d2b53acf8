"""Ordinal tasks: the mean absolute error of an expected value, beside the task's own metric."""

from __future__ import annotations

import io
import json

import pytest
import torch

import softcpt
from softcpt import Task, TaskSet
from softcpt.artefacts.prediction import Predictor
from softcpt.artefacts.prediction_formats import WRITERS
from softcpt.artefacts.saving import _task_of, _task_to_dict
from softcpt.data.ordinal import with_values
from softcpt.errors import UserError
from softcpt.task_results import Tally, overall

AGES = Task("age", ["10", "2.5", "40"], values=(10, 2.5, 40))
PETS = Task("pets", ["cat", "dog"])


def results_of(tasks: TaskSet, logits: torch.Tensor, labels: torch.Tensor):
    tally = Tally(tasks)
    tally.add(logits, labels)
    return tally.results()


def test_the_error_is_that_of_the_expected_value_and_in_no_mean():
    tasks, logits = TaskSet([PETS, AGES]), 3 * torch.randn(50, 5)
    labels = torch.randint(0, 5, (50,))
    pets, ages = results_of(tasks, logits, labels)
    errors = []
    for row, label in zip(logits.double(), labels.tolist()):
        if label > 1:
            weights = row[2:].exp()
            expected = sum(w * v for w, v in zip(weights, AGES.values)) / weights.sum()
            errors.append(abs(expected - AGES.values[label - 2]))
    assert ages.mae == pytest.approx(float(sum(errors) / len(errors)), rel=1e-12)
    assert ages.metric == ages.accuracy and ages.to_dict()["mae"] == ages.mae
    assert pets.mae is None and "mae" not in pets.to_dict()
    plain = results_of(TaskSet([PETS, Task("age", AGES.class_names)]), logits, labels)
    assert overall(plain) == overall([pets, ages])


def test_tasks_become_ordinal_by_their_numbers_or_a_given_order():
    tasks = TaskSet([Task("the_age", ["10", "9"]), Task("mood", ["glad", "sad", "so so"])])
    found = with_values(tasks, ["the age", "mood=sad<so so<glad"])
    assert [task.values for task in found] == [(10, 9), (2, 0, 1)]
    assert found[1].with_classes(["so so", "sad"]).values == (1, 0)
    assert found[1].with_classes(["glad", "merry"]).values == ()
    assert found[0].with_classes(["9", "11"]).values == (9, 11)


WRONG = {
    "no task 'size'": ["size"],
    "its class 'cat' is no number": ["pets"],
    "the order has cat, and its classes are cat, dog": ["pets=cat"],
}


@pytest.mark.parametrize("message", sorted(WRONG))
def test_a_wrong_order_is_one_clear_line(message):
    with pytest.raises(UserError, match=message) as error:
        with_values(TaskSet([PETS, AGES]), WRONG[message])
    assert "\n" not in str(error.value)


def test_a_task_needs_a_finite_value_for_each_class():
    for values in ((1,), (1, float("nan"))):
        with pytest.raises(UserError, match="1 finite values for 2 classes"):
            Task("pets", ["cat", "dog"], values=values)


def test_predictions_have_the_expected_value(clip):
    tasks = TaskSet([PETS, AGES])
    method = softcpt.build_method("ZeroShot", clip, tasks)
    logits = torch.tensor([[1.0, 0.0, 0.5, 0.0, -0.5]])
    [row] = Predictor(method, "all").ranked(logits)
    weights = logits[0, 2:].double().softmax(dim=0)
    wanted = float(weights @ torch.tensor(AGES.values, dtype=torch.float64))
    assert row[0].expected is None and row[1].expected == pytest.approx(wanted, rel=1e-6)
    written = {}
    for name, writer in WRITERS.items():
        file = io.StringIO()
        own = writer(file, ["x.png"], tasks, False)
        own.begin()
        own.row("x.png", row)
        own.end()
        written[name] = file.getvalue()
    assert written["csv"].splitlines()[0].endswith("error,expected")
    assert written["csv"].splitlines()[2].endswith(f",{wanted:.6g}")
    assert written["table"].splitlines()[-1].endswith(f"{wanted:.4g}")
    first, second = json.loads(written["json"])[0]["predictions"]
    assert "expected" not in first and second["expected"] == pytest.approx(wanted, rel=1e-6)


def test_an_artefact_keeps_the_values():
    assert _task_of(_task_to_dict(AGES), "here") == AGES
    assert "values" not in _task_to_dict(PETS)
