"""Published optimisations, against their update rules written out in float64."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import softcpt
from softcpt.prompters.heads import prolip, task_res, tip_adapter_f, training, zs_lp
from softcpt.prompters.heads.shots import Shots
from softcpt.prompters.heads.training import Recipe, minimise
from tests.prompters.heads import statements
from tests.prompters.heads.features import TASKS, queries_of, seeded, shots_of

EPOCHS = 6


def shots_and_names(count, views, classes=3, width=8):
    """Training images of a task, in float64: enough for what a recipe does with them."""
    features = F.normalize(torch.randn(count, views, width, generator=seeded(1)).double(), dim=-1)
    targets = F.one_hot(torch.arange(count) % classes, classes).double()
    return Shots(features, targets, torch.zeros(classes, width).double(), 10.0)


def cosine(rate, steps):
    return [rate * (1 + math.cos(math.pi * step / steps)) / 2 for step in range(steps)]


def dassl(rate):
    """A first epoch at 1e-5, then the schedule from its start: it does not reach its end."""
    return [1e-5, *cosine(rate, EPOCHS)[:-1]]


def descend(loss, x, rule, rates, decay=0.0, eps=1e-8):
    """``loss(x, step)`` gives a number; SGD with momentum 0.9, Adam with L2, or AdamW."""
    m, v = torch.zeros_like(x), torch.zeros_like(x)
    for step, rate in enumerate(rates):
        x = x.detach().requires_grad_()
        [g] = torch.autograd.grad(loss(x, step), x)
        x = x.detach()
        if rule == "sgd":
            m = 0.9 * m + g
            x = x - rate * m
            continue
        if rule == "adam":
            g = g + decay * x
        else:
            x = x - rate * decay * x
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        corrected = (v / (1 - 0.999 ** (step + 1))).sqrt() + eps
        x = x - rate * m / (1 - 0.9 ** (step + 1)) / corrected
    return x


class Views:
    """The first task's images in float64: samples of all views, or of one."""

    def __init__(self, clip, head, features, labels):
        mine = labels < 4
        self.f, self.y = features[mine].double(), labels[mine]
        self.t, self.tau = head.text[:4].double(), clip.logit_scale.exp().double()

    def ce(self, logits, y=None):
        y = self.y if y is None else y
        return -logits.log_softmax(dim=1)[torch.arange(len(y)), y].mean()

    def view(self, step):
        return self.f[:, step % self.f.shape[1]]


def cosines(w, f):
    return f @ (w / w.norm(dim=1, keepdim=True)).T


def zs_lp_statement(task, queries):
    f, y = task.f.flatten(0, 1), task.y.repeat_interleave(task.f.shape[1])

    def loss(w, _):
        return task.ce(task.tau * cosines(w, f), y)

    return task.tau * cosines(descend(loss, task.t, "sgd", dassl(0.1)), queries)


def clap_statement(task, queries):
    f, y = task.f.flatten(0, 1), task.y.repeat_interleave(task.f.shape[1])
    known = (task.tau * f @ task.t.T).softmax(dim=1)
    weights = torch.stack([known[y == c, c].mean() for c in range(4)])

    def loss(w, _):
        held = (weights * ((w - task.t) ** 2).sum(dim=1)).mean()
        return task.ce(task.tau * cosines(w, f), y) + held

    return task.tau * cosines(descend(loss, task.t, "sgd", dassl(0.1)), queries)


def task_res_statement(task, queries):
    def loss(x, step):
        return task.ce(task.tau * cosines(task.t + 0.5 * x, task.view(step)))

    x = descend(loss, torch.zeros_like(task.t), "adam", dassl(0.002), decay=5e-4)
    return task.tau * cosines(task.t + 0.5 * x, queries)


def tip_adapter_f_statement(task, queries):
    keys = task.f.mean(dim=1)
    keys = keys / keys.norm(dim=1, keepdim=True)

    def logits(k, f):
        return (
            task.tau * f @ task.t.T + torch.exp(-5.5 * (1 - f @ k.T)) @ F.one_hot(task.y).double()
        )

    def loss(k, step):
        return task.ce(logits(k, task.view(step)))

    k = descend(loss, keys, "adamw", cosine(0.001, EPOCHS), decay=0.01, eps=1e-4)
    return logits(k, queries)


@pytest.mark.parametrize(
    "method, module, statement",
    [
        ("CLAP", zs_lp, clap_statement),
        ("TaskRes", task_res, task_res_statement),
        ("Tip-Adapter-F", tip_adapter_f, tip_adapter_f_statement),
        ("ZS-LP", zs_lp, zs_lp_statement),
    ],
)
@pytest.mark.parametrize("views", [1, 2])
def test_a_published_training_is_where_its_steps_lead(
    clip, monkeypatch, method, module, statement, views
):
    monkeypatch.setattr(module, "PUBLISHED", replace(module.PUBLISHED, epochs=EPOCHS))
    head = softcpt.build_prompter(method, clip, TASKS, published=True)
    features, labels = shots_of(head, 3, views)
    head.fit(features, labels)
    queries = queries_of(head)
    wanted = statement(Views(clip, head, features, labels), queries.double())
    plain = softcpt.build_prompter(method, clip, TASKS, steps=0)
    plain.fit(features, labels)
    moved = (wanted - plain.logits(queries, [0]).double()).abs().max()
    assert moved > 0.01
    assert (head.logits(queries, [0]).double() - wanted).abs().max() < 2e-2 * moved


def test_the_published_prolip_takes_its_views_in_turn(clip, monkeypatch):
    recipe = replace(prolip.PUBLISHED, epochs=EPOCHS, lr=1e-3)
    monkeypatch.setattr(prolip, "PUBLISHED", recipe)
    head = softcpt.build_prompter("ProLIP", clip, TASKS, published=True)
    layer = clip.projection
    labels = torch.arange(TASKS.num_classes).repeat_interleave(2)
    v = torch.randn(len(labels), 2, len(layer.weight), generator=seeded(1))
    head.fit(v, labels)
    task, start = Views(clip, head, v, labels), layer.weight.double()

    def logits(w, f):
        return task.tau * F.normalize(f @ w + layer.bias.double(), dim=1) @ task.t.T

    def loss(w, step):
        return task.ce(logits(w, task.view(step))) + ((w - start) ** 2).sum() / 2

    w = descend(loss, start, "adam", cosine(1e-3, EPOCHS), eps=1e-4)
    queries = torch.randn(10, len(start), generator=seeded(2))
    wanted = logits(w, queries.double())
    moved = (wanted - logits(start, queries.double())).abs().max()
    assert moved > 0.05
    assert (head.logits(queries, [0]).double() - wanted).abs().max() < 2e-2 * moved


def test_the_published_lp_plus_plus_has_momentum_and_rare_steps_of_alpha(clip):
    """Gradients of alpha are never cleared in the published code: they add up."""
    head = softcpt.build_prompter("LP++", clip, TASKS, published=True, steps=25)
    features, labels = shots_of(head, 3, 1)
    head.fit(features, labels)
    task = Views(clip, head, features, labels)
    f, n = task.view(0), len(task.y)

    def logits(w, a, b, f):
        return f @ w.T + a * (f @ task.t.T) + b

    w = torch.stack([f[task.y == c].sum(dim=0) for c in range(4)])
    own = torch.stack([(f[task.y == c] @ task.t[c]).mean() for c in range(4)])
    a, b = (2.5 * task.tau * own.mean()).repeat(4), torch.zeros(4).double()
    rate = 4 * n / torch.linalg.matrix_norm(f, 2) ** 2
    rate_a = n / (4 * max((f @ t).square().sum() for t in task.t))
    of_w, of_b, of_a = torch.zeros_like(w), torch.zeros_like(b), torch.zeros_like(a)
    for step in range(1, 26):
        unknowns = [x.detach().requires_grad_() for x in (w, a, b)]
        g = torch.autograd.grad(task.ce(logits(*unknowns, f)), unknowns)
        of_w, of_a, of_b = 0.9 * of_w + g[0], of_a + g[1], 0.9 * of_b + g[2]
        w, b = w - rate * of_w, b - rate * of_b
        if step in (10, 20):
            a = a - rate_a * of_a
    queries = queries_of(head)
    wanted = logits(w, a, b, queries.double())
    assert (head.logits(queries, [0]).double() - wanted).abs().max() < 1e-3 * wanted.abs().max()


@pytest.mark.parametrize("ridge, beta", [(0.05, 3.0), (0.1, 1.7)])
def test_the_published_proker_corrects_cosines(clip, ridge, beta):
    head = softcpt.build_prompter("ProKeR", clip, TASKS, published=True, ridge=ridge, beta=beta)
    features, labels = shots_of(head, 2, 2)
    head.fit(features, labels)
    problem = statements.Problem(TASKS, 0, head.text, clip.logit_scale.exp(), features, labels)
    queries, x = queries_of(head), problem.samples
    q = queries.double().numpy()

    def k(f, g):
        return np.exp(-beta * ((f[:, None] - g[None]) ** 2).sum(axis=2) / 2)

    alpha = np.linalg.inv(k(x, x) / ridge + np.eye(len(x))) @ (problem.one_hot - x @ problem.text.T)
    wanted = problem.tau * (q @ problem.text.T + k(q, x) @ alpha)
    assert np.abs(head.logits(queries, [0]).numpy() - wanted).max() < 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize(
    "count, batch, in_turn, by_dassl, sizes",
    [
        (10, 0, False, False, [20]),
        (10, 4, False, False, [4, 4, 4, 4, 4]),
        (10, 4, False, True, [4, 4]),
        (10, 4, True, False, [4, 4, 2]),
        (3, 4, False, True, [4]),
        (3, 4, True, True, [3]),
    ],
)
def test_an_epoch_has_the_published_batches(count, batch, in_turn, by_dassl, sizes):
    shots = shots_and_names(count, 2)
    recipe = Recipe("sgd", 0.1, 2, batch=batch, in_turn=in_turn, dassl=by_dassl)
    for epoch in range(3):
        batches = list(recipe.batches(shots, epoch, seeded(epoch)))
        assert [len(samples) for samples, _ in batches] == sizes
        assert recipe.count(shots) == len(sizes)
        pool = shots.features[:, epoch % 2] if in_turn else shots.samples
        seen = [(pool == sample).all(dim=1).nonzero().item() for x, _ in batches for sample in x]
        assert len(set(seen)) == len(seen)
        targets = shots.targets if in_turn else shots.sample_targets
        assert torch.equal(torch.cat([y for _, y in batches]), targets[seen])


@pytest.mark.parametrize("by_dassl", [False, True])
def test_rates_fall_by_steps_or_by_dassls_epochs(monkeypatch, by_dassl):
    shots, x = shots_and_names(8, 1), torch.zeros(1).double()
    path = []

    def loss(_samples, _targets):  # a slope of one: a step is the rate
        path.append(x.item())
        return x.sum()

    monkeypatch.setattr(training, "_MOMENTUM", 0.0)
    minimise(loss, shots, [x], Recipe("sgd", 1.0, 4, batch=4, dassl=by_dassl))
    steps = -np.diff([*path, x.item()])
    falling = [(1 + math.cos(math.pi * step / 4)) / 2 for step in range(3)]
    by_epoch = np.repeat([1e-5, *falling], 2)
    by_step = [(1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]
    assert steps == pytest.approx(by_epoch if by_dassl else by_step)


@pytest.mark.parametrize("given", ["lr", "steps"])
def test_what_a_published_training_brings_cannot_be_given(clip, given):
    with pytest.raises(softcpt.UserError, match=rf"option {given} = 3(\.0)?: with PUBLISHED True"):
        softcpt.build_prompter("CLAP", clip, TASKS, published=True, **{given: 3})
