"""Figures of a test, against plain statements of what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from softcpt import Task, TaskSet, UserError
from softcpt.metrics import average_precision_11
from softcpt.task_results import Tally, overall, print_results

MEMES = Task("memes", ["meme", "hateful meme"], metric="roc_auc")
SCENES = Task("scenes", ["boat", "car", "dog", "person"], metric="map11")
FRUIT = Task("fruit", ["apple", "kiwi", "plum"], metric="mean_per_class")
TASKS = TaskSet([MEMES, SCENES, FRUIT])


def ap_11(scores, positive) -> float:
    """The definition of the challenge's development kit, with a threshold for every image."""
    best = []
    for step in range(11):
        reached = [0.0]
        for threshold in scores:
            chosen = [bool(p) for s, p in zip(scores, positive) if s >= threshold]
            if sum(chosen) / sum(positive) >= step / 10 - 1e-12:
                reached.append(sum(chosen) / len(chosen))
        best.append(max(reached))
    return sum(best) / 11


@pytest.mark.parametrize("seed", range(20))
def test_average_precision_is_the_challenges(seed):
    generator = np.random.default_rng(seed)
    count = int(generator.integers(1, 60))
    positive = generator.random(count) < generator.random()
    positive[generator.integers(count)] = True
    scores = generator.normal(size=count) + positive * generator.random()
    if seed % 2:
        scores = np.round(scores, 1)  # ties
    assert average_precision_11(scores, positive) == pytest.approx(
        ap_11(scores, positive), abs=1e-12
    )
    order = generator.permutation(count)
    assert average_precision_11(scores[order], positive[order]) == average_precision_11(
        scores, positive
    )


def test_known_average_precisions():
    assert average_precision_11(np.array([3.0, 2.0, 1.0]), np.array([True, True, False])) == 1
    assert average_precision_11(np.array([1.0, 2.0]), np.array([True, False])) == 0.5
    assert (
        average_precision_11(np.array([1.0, 1.0, 1.0, 1.0]), np.array([True, False, False, False]))
        == 0.25
    )


def mixed(count: int = 90):
    """Logits (N, C) and labels (N, K) of images of the three tasks, those of scenes with one to
    three classes."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(count, TASKS.num_classes, generator=generator)
    labels = torch.full((count, 3), -1)
    for image in range(count):
        task = image % 3
        own = torch.randperm(TASKS.sizes[task], generator=generator)[
            : 1 + image % 4 if task == 1 else 1
        ]
        labels[image, : len(own[:3])] = own[:3] + TASKS.offsets[task]
    return logits, labels


def tallied(logits, labels, size: int = 7):
    tally = Tally(TASKS)
    for start in range(0, len(logits), size):
        tally.add(logits[start : start + size], labels[start : start + size])
    return tally.results()


def test_images_count_in_their_own_task_whatever_the_batches():
    logits, labels = mixed()
    memes, scenes, fruit = results = tallied(logits, labels)
    assert results == tallied(logits, labels, 90) and [result.total for result in results] == [
        30,
        30,
        30,
    ]

    mine = labels[:, 0] < 2
    wanted = 100 * roc_auc_score(
        labels[mine, 0], torch.softmax(logits[mine, :2].double(), dim=1)[:, 1]
    )
    assert memes.metric == pytest.approx(wanted)

    mine = (labels[:, 0] >= 2) & (labels[:, 0] < 6)
    positive = np.array([[label in row for label in range(2, 6)] for row in labels[mine].tolist()])
    wanted = np.mean(
        [ap_11(logits[mine, 2 + c].tolist(), positive[:, c].tolist()) for c in range(4)]
    )
    assert scenes.metric == pytest.approx(100 * wanted)

    mine = labels[:, 0] >= 6
    right = (logits[mine, 6:].argmax(dim=1) + 6 == labels[mine, 0]).numpy()
    recalls = [right[(labels[mine, 0] == label).numpy()].mean() for label in (6, 7, 8)]
    assert fruit.metric == pytest.approx(100 * np.mean(recalls)) and fruit.correct == right.sum()
    assert overall(results)["overall_metric"] == pytest.approx(np.mean([r.metric for r in results]))


def test_an_image_of_several_classes_is_right_if_the_best_is_one_of_them():
    tasks = TaskSet([Task("scenes", ["boat", "car", "dog"])])
    tally = Tally(tasks)
    # right as class 1; right as class 0; wrong, counted as its first class 2
    tally.add(
        torch.tensor([[0.0, 2, 1], [2, 1, 0], [0, 1, 0]]), torch.tensor([[0, 1], [0, -1], [2, 0]])
    )
    [result] = tally.results()
    assert (result.correct, result.total) == (
        2,
        3,
    ) and result.accuracy == result.metric == pytest.approx(200 / 3)
    assert result.mean_per_class == pytest.approx(100 * (1 + 1 + 0) / 3)
    assert result.macro_f1 == pytest.approx(100 * (1 + 2 / 3 + 0) / 3)


def test_padding_changes_no_figure_of_images_of_one_class():
    tasks = TaskSet([FRUIT, Task("signs", ["stop", "yield"])])
    generator = torch.Generator().manual_seed(0)
    logits, labels = (
        torch.randn(50, 5, generator=generator),
        torch.randint(5, (50,), generator=generator),
    )
    plain, padded = Tally(tasks), Tally(tasks)
    plain.add(logits, labels)
    padded.add(logits, torch.stack([labels, torch.full_like(labels, -1)], dim=1))
    assert plain.results() == padded.results()


def test_a_ranking_of_images_of_one_class_only_is_refused():
    tally = Tally(TaskSet([MEMES]))
    tally.add(torch.randn(4, 2), torch.tensor([1, 1, 1, 1]))
    with pytest.raises(
        UserError, match="task 'memes': metric roc_auc needs images of both classes, and all are of"
    ):
        tally.results()
    with pytest.raises(UserError, match="roc_auc is of 2 classes, and there are 3"):
        Task("fruit", ["apple", "kiwi", "plum"], metric="roc_auc")


def test_log_lines_have_the_metric_of_each_task(capsys):
    results = tallied(*mixed())
    print_results(results)
    lines = capsys.readouterr().out.splitlines()
    assert f"* task: 1 (scenes)\ttotal: 30\tmetric: {results[1].metric:.2f}%" in lines
    assert lines[-1] == f"* overall_metric: {overall(results)['overall_metric']:.2f}%"
