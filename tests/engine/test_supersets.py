"""Steps with supersets of a batch's tasks are the steps with those tasks: losses, accuracies and
gradients, in float64, for every method that takes them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import softcpt
from softcpt.utils.sending import send_labels
from softcpt.utils.supersets import NEAR, AsksForTasksError, Owners, Sizes, Superset

NAMES = ["red apple", "red apple pie", "kiwi", "stop sign", "yield", "forest", "sea_or_lake", "dog"]
# Many classes of one task, so that chunks are hers alone, and few of others.
TASKS = softcpt.TaskSet(
    [
        softcpt.Task(f"task {one}", [f"{name} {one % 3}" for name in NAMES[: 1 + one * 3 % 8]])
        for one in range(13)
    ]
)
PRESENT = [[0], [12], [2, 3, 7], list(range(13)), [1, 4, 5, 6, 9, 12]]

METHODS = {
    "CoOp": ("CoOp", {}),
    "CoOp, few vectors": ("CoOp", {"n_ctx": 2}),
    "CoOp, in front": ("CoOp", {"position": "front"}),
    "CoOp, around": ("CoOp", {"position": "middle", "n_ctx": 3}),
    "CoOp-MT": ("CoOp", {"per_task": False}),
    "KgCoOp": ("KgCoOp", {}),
    "ProGrad": ("ProGrad", {}),
    "SoftCPT": ("SoftCPT", {}),
    "SoftCPT, bounded by more tokens than there are": ("SoftCPT", {"max_text_tokens": 4096}),
    "SoftCPT, fedtpg": ("SoftCPT", {"generator": "fedtpg"}),
    "SoftCPT, free features": ("SoftCPT", {"task_text": "none"}),
    "SoftCPT, held": ("SoftCPT", {"weight": 1.0}),
    "SoftCPT, lowrank": ("SoftCPT", {"generator": "lowrank", "rank": 4}),
    "SoftCPT, its own task contexts": ("SoftCPT", {"task_csc": True, "task_position": "front"}),
    "SoftCPT, mpt": ("SoftCPT", {"generator": "mpt"}),
    "VPT": ("VPT", {"n_ctx": 2, "softmax": "task"}),
}
ASK = {
    "CoOp, csc": ("CoOp", {"csc": True}),
    "CoOp, sampled": ("CoOp", {"cls_sample_rate": 0.5}),
    "PLOT": ("PLOT", {}),
    "SoftCPT, bounded": ("SoftCPT", {"max_text_tokens": 16}),
    "SoftCPT, csc": ("SoftCPT", {"csc": True}),
    "UPT": ("UPT", {"n_ctx": 2}),
}


def labels_of(present: list[int]) -> torch.Tensor:
    """The first and the last class of each task."""
    ends = [(TASKS.columns(task).start, TASKS.columns(task).stop - 1) for task in present]
    return torch.tensor([label for pair in ends for label in pair])


def step(method: softcpt.TaskClassifier, labels: torch.Tensor, sizes: Sizes | None):
    """Loss, accuracy and gradients of random features; with supersets of ``sizes``."""
    shape = (5, method.clip.embed_dim) if method.local_features else (method.clip.embed_dim,)
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(len(labels), *shape, generator=generator, dtype=torch.float64)
    method.zero_grad()
    if sizes is None:
        loss, accuracy = method.loss(features, labels)
    else:
        with sizes.running():
            loss, accuracy = method.loss(features, labels)
    if loss.requires_grad:  # VPT's prompts are in the images' features
        loss.backward()
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in method.parameters()]
    return loss.detach(), accuracy, [one.clone() for one in gradients]


@pytest.mark.parametrize("case", METHODS)
def test_a_step_with_a_superset_is_the_step(double_clip, case):
    name, options = METHODS[case]
    torch.manual_seed(0)
    method = softcpt.build_prompter(name, double_clip, TASKS, **options).double()
    taken = set()
    for present in PRESENT:
        labels, sizes = labels_of(present), Sizes(present, len(TASKS))
        loss, accuracy, gradients = step(method, labels, None)
        found = step(method, labels, sizes)
        torch.testing.assert_close(found[0], loss, rtol=1e-12, atol=1e-12)
        assert found[1] == accuracy
        for ours, wanted in zip(found[2], gradients, strict=True):
            torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-12)
        taken.add(tuple(map(sizes.of, sizes.asked)))
    assert len(taken) > 2 and all(taken), "the sets have sizes of their own"


@pytest.mark.parametrize("case", ASK)
def test_what_needs_the_tasks_on_the_host_says_so(double_clip, case):
    name, options = ASK[case]
    torch.manual_seed(0)
    method = softcpt.build_prompter(name, double_clip, TASKS, **options).double()
    present = PRESENT[-1]
    with pytest.raises(AsksForTasksError):
        step(method, labels_of(present), Sizes(present, len(TASKS)))


def test_images_of_several_classes_and_tasks_count_as_they_do(double_clip):
    method = softcpt.build_prompter("SoftCPT", double_clip, TASKS).double()
    labels = torch.stack([labels_of([1, 4, 9]), labels_of([1, 5, 9]).flip(0)], dim=1)
    labels[2, 1] = -1
    wanted = step(method, labels, None)
    found = step(method, labels, Sizes([1, 4, 5, 9], len(TASKS)))
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 40),
    things=st.integers(1, 60),
    seed=st.integers(0, 100),
    share=st.floats(0.02, 1),
)
def test_a_superset_has_all_that_is_wanted_and_is_of_its_size(count, things, seed, share):
    generator = torch.Generator().manual_seed(seed)
    owners = torch.randint(count, (things, 1 + seed % 3), generator=generator)
    present = torch.rand(count, generator=generator) < share
    there = present.nonzero().flatten().tolist()
    wanted = [i for i, own in enumerate(owners.tolist()) if set(own) & set(there)]
    sizes = Sizes(there, count)
    size = sizes.of(kind := Owners(owners))
    assert max(len(wanted), 1) <= size <= max(len(wanted) * NEAR + 1, 1)
    superset = Superset(present, Owners(torch.arange(count)), sizes)
    indices, rank, taken = superset.pick(kind)
    found = indices.tolist()
    assert len(found) == size and found == sorted(set(found)) and set(wanted) <= set(found)
    assert [int(rank[one]) for one in found] == list(range(size))
    assert taken.nonzero().flatten().tolist() == found
    assert int(rank.min()) >= 0 and int(rank.max()) < size
    assert {len(superset)} == {len(superset.tasks.indices)}
    with pytest.raises(AsksForTasksError):
        list(superset)


def test_sets_of_tasks_have_few_sizes():
    owners = Owners(torch.arange(44))
    found = {Sizes(list(range(count)), 44).of(owners) for count in range(1, 45)}
    assert len(found) <= 24 and {1, 44} <= found


def test_a_superset_asks_nothing_of_the_host():
    """On the device that has no values."""
    labels = send_labels(labels_of([1, 4]), torch.device("meta"))
    with Sizes([1, 4], len(TASKS)).running():
        tasks, classes = TASKS.of_batch(labels)
    assert len(classes) >= 2 and classes.is_meta and len(tasks) >= 2
