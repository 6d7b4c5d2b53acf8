"""Batches that have the tasks in given shares: counts, epochs, seeds, and runs that go on."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

import softcpt
from softcpt import Task, TaskSet
from softcpt.engine.task_sampler import TaskBalancedSampler, task_shares
from softcpt.errors import UserError

TASKS = TaskSet([Task("a", ["1", "2"]), Task("b", ["3", "4"]), Task("c", ["5", "6"])])
LABELS = torch.tensor([0, 1] * 30 + [2, 3] * 6 + [4, 5])  # 60, 12 and 2 images


@pytest.mark.parametrize(
    ("shares", "counts"), [((0, 1, 3), (0, 2, 6)), ((1, 1, 1), None), ((2, 1, 1), (4, 2, 2))]
)
def test_every_batch_has_the_tasks_in_their_shares(shares, counts):
    sampler = TaskBalancedSampler(TASKS.of_labels(LABELS), shares)
    order = torch.tensor(list(sampler))
    assert len(order) == len(sampler) == len(LABELS)
    for batch in order[:72].split(8):
        found = TASKS.owners(LABELS[batch]).bincount(minlength=3).tolist()
        assert tuple(found) == counts if counts else sorted(found) == [2, 3, 3]


def test_images_of_a_task_come_in_turn_and_in_an_order_of_the_seed():
    sampler = TaskBalancedSampler(TASKS.of_labels(LABELS), (1, 1, 1))
    orders = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        orders.append(list(sampler))
    assert orders[0] == orders[2] != orders[1]
    times = Counter(orders[0])
    of_task = [
        [times[i] for i in TASKS.members(LABELS)[:, t].nonzero()[:, 0].tolist()] for t in (0, 1, 2)
    ]
    assert all(max(found) - min(found) <= 1 for found in of_task)


def test_an_image_counts_for_each_of_its_tasks():
    labels = torch.tensor([[0, 2]] * 40 + [[0, -1]] * 40 + [[1, 4]] * 4)  # a of all, b, few c
    members = TASKS.members(labels)
    torch.manual_seed(0)
    order = torch.tensor(list(TaskBalancedSampler(TASKS.of_labels(labels), (2, 1, 1))))
    for stretch in range(8, len(order), 8):  # a stands beside each of the others
        counts = members[order[:stretch]].sum(dim=0).tolist()
        assert counts[0] == stretch and abs(counts[1] - counts[2]) <= 1
    whole = TASKS.of_labels(torch.tensor([[0, 2, 4]] * 10))
    assert sorted(TaskBalancedSampler(whole, (5, 1, 1))) == list(range(10))


NAMES = ("a", "b", "c")
WRONG = {
    "2 shares for 3 tasks": (1, 2),
    "'many' is no share": ("a=many",),
    "-1 is no share": (1, 1, -1),
    "name all or none": ("a=1", 2),
    "no task 'd'": ("d=1",),
}


def test_shares_are_given_in_order_or_by_name():
    assert task_shares((), NAMES) == [1, 1, 1] and task_shares((3, 1.5, 0), NAMES) == [3, 1.5, 0]
    assert task_shares(("b=0.5",), NAMES) == [1, 0.5, 1]


@pytest.mark.parametrize("message", sorted(WRONG))
def test_wrong_shares_are_one_clear_line(message):
    with pytest.raises(UserError, match=message) as error:
        task_shares(WRONG[message], NAMES)
    assert "\n" not in str(error.value)


def test_no_task_with_images_has_a_share():
    with pytest.raises(UserError, match="no task with images has a share above 0"):
        TaskBalancedSampler(TASKS.of_labels(LABELS[:60]), (0, 1, 1))


def test_a_fit_takes_them_and_goes_on_bit_for_bit(clip, tmp_path):
    features = torch.randn(len(LABELS), clip.embed_dim, generator=torch.Generator().manual_seed(0))
    data = softcpt.FeatureData(TASKS, features, LABELS)
    settings = {
        "epochs": 4,
        "batch_size": 16,
        "n_ctx": 2,
        "sampler": "TaskBalanced",
        "task_shares": {"c": 2},
        "progress": False,
    }
    whole = softcpt.fit("SoftCPT", clip, data, **settings)

    def stop_at_two(end):
        if end.epoch == 2:
            end.stop()

    softcpt.fit("SoftCPT", clip, data, **settings, callbacks=[stop_at_two], folder=tmp_path)
    resumed = softcpt.fit("SoftCPT", clip, data, **settings, resume_from=tmp_path)
    random = softcpt.fit(
        "SoftCPT", clip, data, **{**settings, "sampler": "RandomSampler", "task_shares": ()}
    )
    ours, theirs, other = (one.method.reference_state() for one in (whole, resumed, random))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert any(not torch.equal(ours[name], other[name]) for name in ours)
    with pytest.raises(
        UserError, match="the sampler is RandomSampler, which has no use for shares"
    ):
        softcpt.fit("SoftCPT", clip, data, **{**settings, "sampler": "RandomSampler"})
