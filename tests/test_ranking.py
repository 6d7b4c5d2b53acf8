"""Figures that need more than the best class, and what is kept of images in place of their logits,
against plain statements of what they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from softcpt import Task, TaskSet
from softcpt.intervals import wilson, wilson_of_mean
from softcpt.metrics import calibration_error
from softcpt.ranking import Ranked
from softcpt.task_results import Tally, intervals, overall

TASKS = TaskSet(
    [
        Task("fruit", [f"fruit {index}" for index in range(9)]),
        Task("sign", ["stop"]),
        Task("scene", ["boat", "car", "dog"]),
    ]
)


def images(count: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, C) in float64 and labels (N, 2), some of scenes with two classes."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, TASKS.num_classes, generator=generator, dtype=torch.double) * 2
    labels = torch.full((count, 2), -1)
    for image in range(count):
        task = image % 3
        own = torch.randperm(TASKS.sizes[task], generator=generator)
        several = task == 2 and image % 2
        labels[image, 0] = own[0] + TASKS.offsets[task]
        if several:
            labels[image, 1] = own[1] + TASKS.offsets[task]
    return logits, labels


def tallied(logits: torch.Tensor, labels: torch.Tensor, size: int = 33) -> Tally:
    tally = Tally(TASKS)
    for start in range(0, len(logits), size):
        tally.add(logits[start : start + size], labels[start : start + size])
    return tally


def plain(logits: torch.Tensor, labels: torch.Tensor, task: int) -> dict:
    """The figures of a task, image by image."""
    offset, size = TASKS.offsets[task], TASKS.sizes[task]
    top5, chances, right, confidence = [], [], [], []
    counts, confusion = [[0, 0] for _ in range(size)], {}
    for row, all_labels in zip(logits.tolist(), labels.tolist()):
        if not offset <= all_labels[0] < offset + size:
            continue
        truths = [label - offset for label in all_labels if label >= 0]
        own = row[offset : offset + size]
        order = sorted(range(size), key=lambda label: -own[label])
        truth = order[0] if order[0] in truths else truths[0]
        top5.append(bool(set(order[:5]) & set(truths)))
        chances.append(len(truths) / size)
        right.append(truth == order[0])
        confidence.append(math.exp(own[order[0]]) / math.fsum(map(math.exp, own)))
        counts[truth][0] += 1
        counts[truth][1] += right[-1]
        if not right[-1]:
            confusion[truth, order[0]] = confusion.get((truth, order[0]), 0) + 1
    ece = 0.0
    for index in range(15):
        mine = [i for i, c in enumerate(confidence) if index / 15 < c <= (index + 1) / 15]
        if mine:
            accuracy = np.mean([right[i] for i in mine])
            ece += len(mine) / len(right) * abs(accuracy - np.mean([confidence[i] for i in mine]))
    return {
        "top5": 100 * np.mean(top5),
        "chance": 100 * np.mean(chances),
        "ece": 100 * ece,
        "counts": counts,
        "confusion": confusion,
    }


def test_figures_are_what_plain_formulas_say():
    logits, labels = images()
    results = tallied(logits, labels).results()
    for index, result in enumerate(results):
        wanted = plain(logits, labels, index)
        for figure in ("top5", "chance", "ece"):
            assert getattr(result, figure) == pytest.approx(wanted[figure], abs=1e-5), figure
        counts = zip(result.per_class.images, result.per_class.correct, strict=True)
        assert [list(each) for each in counts] == wanted["counts"]
        found = result.confusion
        pairs = zip(found.truth, found.predicted)
        assert dict(zip(pairs, found.images, strict=True)) == wanted["confusion"]
        assert sum(found.images) == result.total - result.correct
    assert 20 < results[0].top5 < 100 and results[0].ece > 1
    for figure in ("top5", "chance", "ece"):
        mean = np.mean([getattr(result, figure) for result in results])
        assert overall(results)[figure] == pytest.approx(mean)


def test_a_task_of_one_class_is_certain_and_right():
    result = tallied(*images()).results()[1]
    assert (result.accuracy, result.top5, result.chance, result.ece) == (100, 100, 100, 0)
    assert result.confusion.images == ()


def test_images_are_ranked_inside_their_own_task():
    logits, labels = images(60)
    ranked = tallied(logits, labels, 7).ranked()
    assert ranked.classes.shape == ranked.probabilities.shape == (60, 5)
    for image in range(60):
        task = image % 3
        own = logits[image, TASKS.columns(task)].softmax(dim=0)
        order = own.argsort(descending=True)[:5]
        count = len(order)
        assert ranked.classes[image].tolist() == [
            *(order + TASKS.offsets[task]).tolist(),
            *[-1] * (5 - count),
        ]
        torch.testing.assert_close(
            ranked.probabilities[image, :count].double(), own[order], rtol=0, atol=1e-6
        )
        assert not ranked.probabilities[image, count:].any()


def test_of_equal_logits_the_first_class_is_the_better_whatever_the_type():
    rows = [[1, 3, 3, 3, 0, 3, 3, 3, 3], [2] * 9, [0, 1, 2, 3, 4, 5, 6, 7, 7]]
    logits = torch.zeros(3, TASKS.num_classes)
    logits[:, 9:] = 50  # of other tasks
    logits[:, :9] = torch.tensor(rows)
    labels = torch.tensor([0, 8, 3])
    wanted = [[1, 2, 3, 5, 6], [0, 1, 2, 3, 4], [7, 8, 6, 5, 4]]
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.double):
        ranked = Ranked.of(TASKS, logits.to(dtype), labels)
        assert ranked.classes.tolist() == wanted
        assert ranked.predictions.tolist() == TASKS.predict(logits.to(dtype), labels).tolist()


def test_fewer_classes_than_five_leave_places_empty():
    tasks = TaskSet([Task("scene", ["boat", "car", "dog"])])
    ranked = Ranked.of(tasks, torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([0]))
    assert ranked.classes.tolist() == [[1, 2, 0, -1, -1]]
    assert ranked.probabilities[0, 3:].tolist() == [0, 0]
    tally = Tally(tasks)
    tally.add(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([0]))
    assert tally.results()[0].top5 == 100


def test_a_confidence_at_an_edge_is_of_the_bin_below():
    confidences, right = np.array([1 / 15, 2 / 15, 1.0]), np.array([True, False, True])
    wanted = (1 - 1 / 15) + 2 / 15 + 0
    assert calibration_error(confidences, right) == pytest.approx(100 * wanted / 3)
    # In one bin a gap up and a gap down cancel.
    assert calibration_error(np.array([0.5, 0.5]), np.array([True, False])) == 0


@pytest.mark.parametrize(("correct", "total"), [(0, 1), (1, 1), (7, 10), (0, 50), (50, 50), (3, 9)])
def test_wilsons_interval_is_scipys(correct, total):
    wanted = stats.binomtest(correct, total).proportion_ci(method="wilson")
    assert wilson(correct, total) == pytest.approx((100 * wanted.low, 100 * wanted.high), abs=1e-9)


def test_the_interval_of_a_mean_over_tasks():
    assert wilson_of_mean([(7, 10)]) == pytest.approx(wilson(7, 10))
    # Of many images each, it is the normal approximation's.
    counts = [(60_000, 100_000), (30_000, 100_000)]
    half = 100 * 1.959964 * math.sqrt(0.6 * 0.4 / 1e5 + 0.3 * 0.7 / 1e5) / 2
    assert wilson_of_mean(counts) == pytest.approx((45 - half, 45 + half), abs=1e-3)


def test_intervals_of_a_test_are_over_its_images():
    results = tallied(*images()).results()
    found = intervals(results)
    correct, total = sum(r.correct for r in results), sum(r.total for r in results)
    assert found["accuracy_ci95"] == wilson(correct, total)
    counts = [(r.correct, r.total) for r in results]
    assert found["mean_accuracy_ci95"] == wilson_of_mean(counts)
    assert [r.accuracy_ci95 for r in results] == [wilson(*each) for each in counts]
