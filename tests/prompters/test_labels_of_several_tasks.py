"""An image with labels of several tasks is exactly one image per task, encoded once: losses,
gradients, fitted heads and figures against the batch in which it stands once for each."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import softcpt
from softcpt import Task, TaskSet
from softcpt.task_results import Tally
from softcpt.tasks import padded

TASKS = TaskSet(
    [
        Task("age", ["10", "20", "30"], values=(10, 20, 30)),
        Task("mood", ["glad", "sad"]),
        Task("colour", ["red", "green", "blue", "grey"]),
    ]
)
# A column per task and -1 for none; the last column holds a second colour of one image.
LABELS = torch.tensor(
    [[0, 3, 5, -1], [-1, 4, -1, -1], [2, -1, 8, -1], [1, 4, -1, -1], [-1, -1, 7, 6], [0, 3, 6, -1]]
)
TRAINED = ("CoCoOp", "CoOp", "CoOp-MT", "KgCoOp", "PLOT", "ProGrad", "SoftCPT", "UPT", "VPT")
OPTIONS = {
    "joint": ("CoOp", {"softmax": "joint"}),
    "sampled": ("SoftCPT", {"cls_sample_rate": 0.5}),
    "held": ("SoftCPT", {"weight": 2.0}),
}


def once_per_task(labels: torch.Tensor) -> tuple[list[int], torch.Tensor]:
    """Images and labels of the batch in which every image stands once for each of its tasks."""
    images, several = [], []
    for image, row in enumerate(labels.tolist()):
        for task in range(len(TASKS)):
            own = [one for one in row if one >= 0 and TASKS.to_local(one)[0] == task]
            if own:
                images.append(image)
                several.append(own)
    return images, padded(several)


def test_pairs_are_the_batch_with_an_image_for_each_task():
    images, labels = once_per_task(LABELS)
    found, own = TASKS.pairs(LABELS)
    assert found.tolist() == images and own.tolist() == labels.tolist()
    assert TASKS.owners(LABELS).tolist() == [TASKS.to_local(row[0])[0] for row in labels.tolist()]
    assert TASKS.present(LABELS[3:5]) == [0, 1, 2] and TASKS.present(LABELS[1:2]) == [1]
    assert TASKS.members(LABELS).tolist() == [
        [True, True, True],
        [False, True, False],
        [True, False, True],
        [True, True, False],
        [False, False, True],
        [True, True, True],
    ]
    shuffled, _ = TASKS.pairs(LABELS[:, [2, 3, 1, 0]])
    assert shuffled.tolist() == images
    without = torch.full((1, 4), -1)
    assert TASKS.pairs(torch.cat([LABELS, without]))[0].tolist() == images


def test_images_of_one_task_each_are_left_as_they_are():
    for labels in (LABELS[:, 0].clamp(min=0), torch.tensor([[5, 6], [3, -1], [0, 1]])):
        images, own = TASKS.pairs(labels)
        assert images is None and own is labels


def trained_on(method, options, clip, images, labels, seed=0):
    """The loss of a batch, its accuracy, and the gradients of what is trained."""
    torch.manual_seed(seed)
    prompter = softcpt.build_prompter(method, clip, TASKS, n_ctx=4, **options).double().train()
    if prompter.prompts_images:
        features = prompter.encode_image(images)
    else:
        width = clip.embed_dim
        shape = (1 + 4, width) if prompter.local_features else (width,)
        flat = images.flatten(1)[:, : 5 * width].reshape(len(images), 5, width)
        features = F.normalize(flat if len(shape) == 2 else flat[:, 0], dim=-1)
    torch.manual_seed(seed)  # of classes that are drawn
    loss, accuracy = prompter.loss(features, labels)
    loss.backward()
    return loss.detach(), accuracy, [parameter.grad for parameter in prompter.parameters()]


@pytest.mark.parametrize("case", sorted([*TRAINED, *OPTIONS]))
def test_losses_and_gradients_are_those_of_an_image_per_task(double_clip, case):
    method, options = OPTIONS.get(case, (case, {}))
    generator = torch.Generator().manual_seed(1)
    size = double_clip.image_size
    pictures = torch.randn(len(LABELS), 3, size, size, generator=generator, dtype=torch.float64)
    images, labels = once_per_task(LABELS)
    loss, accuracy, gradients = trained_on(method, options, double_clip, pictures, LABELS)
    wanted = trained_on(method, options, double_clip, pictures[images], labels)
    assert torch.allclose(loss, wanted[0], rtol=1e-10) and torch.allclose(accuracy, wanted[1])
    for ours, theirs in zip(gradients, wanted[2], strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-7, atol=1e-10)


def test_the_loss_is_the_mean_over_pairs_of_image_and_task():
    logits = torch.randn(len(LABELS), 9, dtype=torch.float64, requires_grad=True)
    losses = []
    for image, own in zip(*once_per_task(LABELS)):
        own = [label for label in own.tolist() if label >= 0]
        columns = TASKS.columns(TASKS.to_local(own[0])[0])
        total = torch.logsumexp(logits[image, columns], dim=0)
        losses.append(sum(total - logits[image, label] for label in own) / len(own))
    loss, wanted = TASKS.loss(logits, LABELS), torch.stack(losses).mean()
    assert torch.allclose(loss, wanted, rtol=1e-12)
    [gradient], [other] = (torch.autograd.grad(one, logits) for one in (loss, wanted))
    assert torch.allclose(gradient, other, rtol=1e-10, atol=1e-14)


HEADS = ("CLAP", "LinearProbe", "ProtoNet", "TextGDA", "TextGDA-MT", "Tip-Adapter")


@pytest.mark.parametrize("head", HEADS)
def test_heads_are_fitted_to_an_image_for_each_task(clip, head):
    single = LABELS[:, :3]
    images, labels = once_per_task(single)
    features = F.normalize(torch.randn(len(single), clip.embed_dim), dim=1)
    options = {"c": 1.0} if head == "LinearProbe" else {}
    found = []
    for rows, own in ((slice(None), single), (images, labels)):
        torch.manual_seed(0)
        method = softcpt.build_method(head, clip, TASKS, **options)
        method.fit(features[rows], own)
        found.append(method.logits(features).detach())
    assert torch.allclose(*found, rtol=1e-5, atol=1e-5)


def test_a_test_counts_an_image_once_in_each_of_its_tasks():
    logits = torch.randn(len(LABELS), 9)
    images, labels = once_per_task(LABELS)
    ours, theirs = Tally(TASKS), Tally(TASKS)
    ours.add(logits, LABELS)
    theirs.add(logits[images], labels)
    assert [result.total for result in ours.results()] == [4, 4, 4]
    assert ours.results() == theirs.results()
