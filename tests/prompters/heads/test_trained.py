"""Heads that are trained, against a plain statement of their losses, gradients by autograd in
float64 and Adam written out."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import softcpt
from softcpt.prompters.heads.clap import confidence
from softcpt.prompters.heads.shots import Shots
from tests.prompters.heads.features import TASKS, queries_of, seeded, shots_of


def adam(loss, start, lr, steps):
    """Kingma & Ba's algorithm 1 with a learning rate along a cosine."""
    x, m, v = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for step in range(1, steps + 1):
        x = x.detach().requires_grad_()
        [g] = torch.autograd.grad(loss(x), x)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        rate = lr * (1 + math.cos(math.pi * (step - 1) / steps)) / 2
        x = x.detach() - rate * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
    return x.detach()


class Task:
    """The first task's samples in float64, one by one."""

    def __init__(self, clip, head, features, labels):
        mine = labels < 4
        self.f = features[mine].flatten(0, 1).double()
        self.y = labels[mine].repeat_interleave(features.shape[1])
        self.images, self.t = features[mine].double(), head.text[:4].double()
        self.tau = clip.logit_scale.exp().double()

    def ce(self, logits):
        return -logits.log_softmax(dim=1)[torch.arange(len(self.y)), self.y].mean()


def zs_lp(task, options, queries):
    def logits(w, f):
        return task.tau * f @ (w / w.norm(dim=1, keepdim=True)).T

    w = adam(lambda w: task.ce(logits(w, task.f)), task.t, options.lr, options.steps)
    return logits(w, queries)


def clap(task, options, queries):
    zero_shot = (task.tau * task.f @ task.t.T).softmax(dim=1)
    of_class = [zero_shot[task.y == c, c].mean() for c in range(4)]

    def logits(w, f):
        return task.tau * f @ (w / w.norm(dim=1, keepdim=True)).T

    def loss(w):
        held = sum(of_class[c] * ((w[c] - task.t[c]) ** 2).sum() for c in range(4)) / 4
        return task.ce(logits(w, task.f)) + held

    return logits(adam(loss, task.t, options.lr, options.steps), queries)


def task_res(task, options, queries):
    def logits(x, f):
        w = task.t + 0.5 * x
        return task.tau * f @ (w / w.norm(dim=1, keepdim=True)).T

    start = torch.zeros_like(task.t)
    return logits(
        adam(lambda x: task.ce(logits(x, task.f)), start, options.lr, options.steps), queries
    )


def cross_modal(task, options, queries):
    def loss(w):
        texts = -(task.tau * task.t @ w.T).log_softmax(dim=1).diagonal().mean()
        return (task.ce(task.tau * task.f @ w.T) + texts) / 2

    return task.tau * queries @ adam(loss, task.t, options.lr, options.steps).T


def tip_adapter_f(task, options, queries):
    keys = task.images.mean(dim=1)
    keys = keys / keys.norm(dim=1, keepdim=True)
    says = F.one_hot(task.y[:: task.images.shape[1]], 4).double()

    def logits(k, f):
        near = torch.exp(-options.beta * (1 - f @ k.T))
        return task.tau * f @ task.t.T + options.alpha * near @ says

    return logits(
        adam(lambda k: task.ce(logits(k, task.f)), keys, options.lr, options.steps), queries
    )


def lp_plus_plus(task, options, queries):
    def logits(w, a, b, f):
        return torch.stack([f @ (w[c] + a[c] * task.t[c]) + b[c] for c in range(4)], dim=1)

    n, views = len(task.f), task.images.shape[1]
    w = torch.stack([task.f[task.y == c].sum(dim=0) / views for c in range(4)])
    a, b = task.tau.repeat(4), torch.zeros(4).double()
    steps = [
        4 * n / torch.linalg.matrix_norm(task.f, 2) ** 2,
        4 * n / max((task.f @ task.t[c]).square().sum() for c in range(4)),
        4,
    ]
    for _ in range(options.steps):
        unknowns = [x.detach().requires_grad_() for x in (w, a, b)]
        gradients = torch.autograd.grad(task.ce(logits(*unknowns, task.f)), unknowns)
        w, a, b = (x - rate * g for x, rate, g in zip(unknowns, steps, gradients))
    return logits(w, a, b, queries).detach()


@pytest.mark.parametrize(
    "method, statement",
    [
        ("ZS-LP", zs_lp),
        ("CLAP", clap),
        ("TaskRes", task_res),
        ("CrossModal", cross_modal),
        ("Tip-Adapter-F", tip_adapter_f),
        ("LP++", lp_plus_plus),
    ],
)
@pytest.mark.parametrize("views", [1, 2])
def test_a_trained_head_is_where_its_steps_lead(clip, method, statement, views):
    head = softcpt.build_prompter(method, clip, TASKS, steps=12)
    features, labels = shots_of(head, 3, views)
    head.fit(features, labels)
    queries = queries_of(head)
    wanted = statement(Task(clip, head, features, labels), head.options, queries.double())
    moved = (
        (wanted - clip.logit_scale.exp() * queries.double() @ head.text[:4].double().T).abs().max()
    )
    assert moved > 0.05
    assert (head.logits(queries, [0]).double() - wanted).abs().max() < 2e-2 * moved


def test_prolip_is_where_its_steps_lead(clip):
    head = softcpt.build_prompter("ProLIP", clip, TASKS, steps=8)
    layer = clip.projection
    labels = torch.arange(TASKS.num_classes).repeat_interleave(2)
    v = torch.randn(len(labels), 3, len(layer.weight), generator=seeded(1))
    head.fit(v, labels)
    mine = labels < 4
    f, y = v[mine].flatten(0, 1).double(), labels[mine].repeat_interleave(3)
    start, t = layer.weight.double(), head.text[:4].double()

    def logits(w, f):
        f = f @ w + layer.bias.double()
        return clip.logit_scale.exp().double() * f / f.norm(dim=1, keepdim=True) @ t.T

    def loss(w):
        of_images = -logits(w, f).log_softmax(dim=1)[torch.arange(len(y)), y].mean()
        return of_images + ((w - start) ** 2).sum() / 2

    w = adam(loss, start, head.options.lr, 8)
    queries = torch.randn(10, len(start), generator=seeded(2))
    wanted = logits(w, queries.double())
    moved = (wanted - logits(start, queries.double())).abs().max()
    assert moved > 0.05
    assert (head.logits(queries, [0]).double() - wanted).abs().max() < 2e-2 * moved


@pytest.mark.parametrize("method", ["ZS-LP", "CLAP", "TaskRes", "CrossModal"])
def test_without_a_step_a_trained_head_is_zero_shot(clip, method):
    head = softcpt.build_prompter(method, clip, TASKS, steps=0)
    head.fit(*shots_of(head))
    queries = queries_of(head)
    wanted = clip.logit_scale.exp() * queries @ head.text.T
    assert torch.allclose(head.logits(queries), wanted, atol=1e-3)


def test_clap_is_held_by_what_zero_shot_knows():
    text = torch.eye(3, 4)
    features = F.normalize(torch.randn(4, 2, 4, generator=seeded(3)), dim=-1)
    shots = Shots(features, F.one_hot(torch.tensor([0, 0, 1, 1]), 3).float(), text, 5.0)
    probabilities = (5 * features @ text.T).softmax(dim=-1)
    wanted = [probabilities[:2, :, 0].mean(), probabilities[2:, :, 1].mean(), torch.tensor(0.0)]
    assert torch.allclose(confidence(shots), torch.stack(wanted))


@pytest.mark.parametrize(
    "method",
    ["ZS-LP", "CLAP", "LP++", "CrossModal", "TaskRes", "Tip-Adapter", "Tip-Adapter-F", "ProKeR"],
)
def test_an_image_of_two_classes_is_half_of_each(clip, method):
    """The same as the image once for each class, where the loss is a mean of cross-entropies."""
    head = softcpt.build_prompter(method, clip, TASKS)
    features, labels = shots_of(head, 2, 2)
    several = torch.stack([labels, torch.full_like(labels, -1)], dim=1)
    head.fit(features, several)
    plain = softcpt.build_prompter(method, clip, TASKS)
    plain.fit(features, labels)
    queries = queries_of(head)
    assert torch.allclose(head.logits(queries), plain.logits(queries), atol=1e-4)
    several[0, 1] = 1  # the first image is of the classes 0 and 1
    head.fit(features, several)
    assert not torch.allclose(head.logits(queries)[:, :4], plain.logits(queries)[:, :4], atol=1e-3)
    assert torch.allclose(head.logits(queries)[:, 4:], plain.logits(queries)[:, 4:], atol=1e-4)


@pytest.mark.parametrize("method", ["MeansText", "GDA", "TextGDA", "TextGDA-MT"])
def test_class_means_refuse_images_of_several_classes(clip, method):
    head = softcpt.build_prompter(method, clip, TASKS)
    features, labels = shots_of(head, 2, 2)
    several = torch.stack([labels, labels], dim=1)
    with pytest.raises(softcpt.UserError, match="images of one class each"):
        head.fit(features, several)
