"""Heads at their limits: no images, endless images, one view of one shot, many dimensions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import softcpt
from softcpt.prompters.heads.gda import GDA
from softcpt.prompters.heads.shots import Shots, covariance, ridged, solve
from softcpt.prompters.heads.text_gda import Shared, TextGDA
from softcpt.testing.random_clip import random_openai_state_dict
from tests.prompters.heads.features import TASKS, queries_of, seeded, shots_of, views_of

HEADS = [
    "MeansText",
    "Tip-Adapter",
    "Tip-Adapter-F",
    "GDA",
    "ZS-LP",
    "CLAP",
    "LP++",
    "CrossModal",
    "TaskRes",
    "ProKeR",
    "TextGDA",
    "TextGDA-MT",
]
SOLVED = ["MeansText", "Tip-Adapter", "GDA", "ProKeR", "TextGDA", "TextGDA-MT"]
CLIP = softcpt.load_clip(random_openai_state_dict("vit", text_layers=1, seed=3))
few = settings(max_examples=10)


def gap(scores):
    """Between the best two of a row, in the row where it is least: rounding must not close it."""
    best = scores.topk(2, dim=1).values
    return (best[:, 0] - best[:, 1]).min()


def build(method, **options):
    return softcpt.build_prompter(method, CLIP, TASKS, **options)


@pytest.mark.parametrize("method", HEADS)
def test_before_it_is_fitted_a_head_is_zero_shot_and_without_images_it_is_refused(method):
    head = build(method)
    queries = queries_of(head)
    zero_shot = CLIP.logit_scale.exp() * queries @ head.text.t()
    right = torch.arange(20) % TASKS.num_classes
    own, _ = TASKS.restrict(zero_shot, right)
    assert gap(own) > 1e-3
    assert torch.equal(TASKS.predict(head.logits(queries), right), TASKS.predict(zero_shot, right))
    features, labels = shots_of(head)
    mine = TASKS.task_of_class[labels] != 1
    with pytest.raises(softcpt.UserError, match="task 'signs' has no training images"):
        head.fit(features[mine], labels[mine])


@few
@given(
    method=st.sampled_from(SOLVED),
    shots=st.integers(1, 5),
    views=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_the_order_of_images_changes_nothing(method, shots, views, seed):
    first, second = build(method), build(method)
    features, labels = shots_of(first, shots, views, seed=seed)
    order = torch.randperm(len(labels), generator=seeded(seed))
    first.fit(features, labels)
    second.fit(features[order], labels[order])
    queries = queries_of(first)
    a, b = first.logits(queries), second.logits(queries)
    assert (a - b).abs().max() < 1e-4 * a.abs().max()


@pytest.mark.parametrize("method", HEADS)
def test_no_order_no_other_task_and_no_second_fit_matter_to_a_task(method):
    """All tasks in one go, or one after the other; a second fit starts from nothing."""
    features, labels = shots_of(build(method), 2)
    order = torch.randperm(len(labels), generator=seeded(1))
    whole, single = build(method), build(method)
    whole.fit(features, labels)
    single.fit(features[order], labels[order], tasks=[0])
    single.fit(features[order], labels[order], tasks=[2, 1])
    single.fit(features[order], labels[order], tasks=[0])
    queries = queries_of(whole)
    a, b = whole.logits(queries).detach(), single.logits(queries).detach()
    assert (a - b).abs().max() < 1e-3 * a.abs().max()
    one = whole.logits(queries, [1])
    assert torch.allclose(one, whole.logits(queries)[:, TASKS.columns(1)], atol=1e-4)
    assert torch.allclose(whole.classifier()(queries), whole.logits(queries), atol=1e-4)


@few
@given(views=st.integers(1, 3), seed=st.integers(0, 99))
def test_with_endless_images_the_mean_is_the_datas_and_with_none_the_texts(views, seed):
    """kappa K is what counts: it stands for K."""

    def deviations(kappa, drop=None):
        head = build("TextGDA", kappa=kappa, new_classes=True)
        features, labels = shots_of(head, 3, views, seed=seed)
        kept = labels != (-1 if drop is None else drop)
        head.fit(features[kept], labels[kept])
        v = kappa / (kappa * torch.tensor([3.0, 3, 3, 3]) + 1)
        if drop is not None:
            v[drop] = kappa
        rows = head.weight[TASKS.columns(0)] * (1 + v)[:, None]
        return head, rows.double() @ head.covariance[0].double(), features, labels

    head, d, features, labels = deviations(1e9)
    means = torch.stack([features[labels == c].flatten(0, 1).mean(dim=0) for c in range(4)])
    assert torch.allclose(head.centre[0] + d.float(), means, atol=1e-4)
    head, d, *_ = deviations(1e-9)
    text = head.slope[0] * (head.text[:4] - head.text_centre[0])
    assert torch.allclose(d.float(), text, atol=1e-4)
    head, d, *_ = deviations(0.2, drop=1)
    text = head.slope[0] * (head.text[1] - head.text[[0, 2, 3]].mean(dim=0))
    assert torch.allclose(d[1].float(), text, atol=1e-4)


@pytest.mark.parametrize("method", ["TextGDA", "TextGDA-MT"])
def test_one_view_of_one_shot_has_no_scatter_and_the_covariance_is_a_sphere(method):
    head = build(method, new_classes=True)
    features, labels = shots_of(head, 1, 1)
    head.fit(features[:, 0], labels)
    for task in range(len(TASKS)):
        matrix = head.covariance[task]
        variance = matrix[0, 0]
        assert variance > 0
        assert torch.allclose(matrix, variance * torch.eye(len(matrix)), atol=1e-6 * variance)
    queries = queries_of(head)
    mu = head.centre[0] + 1.2 / 1.2 * head.covariance[0, 0, 0] * head.weight[:4] * (1 + 0.2 / 1.2)
    distances = torch.cdist(queries, mu)
    assert gap(-distances) > 1e-4
    assert torch.equal(head.logits(queries, [0]).argmax(dim=1), distances.argmin(dim=1))


@pytest.mark.parametrize(
    "method, options",
    [
        ("GDA", {"weight": 0.0}),
        ("MeansText", {"weight": 0.0}),
        ("ProKeR", {"ridge": 1e9}),
        ("Tip-Adapter", {"alpha": 0.0}),
    ],
)
def test_images_without_weight_leave_zero_shot(method, options):
    head = build(method, **options)
    head.fit(*shots_of(head))
    queries, scale = queries_of(head), CLIP.logit_scale.exp()
    for task in range(len(TASKS)):
        wanted = scale * queries @ head.text[TASKS.columns(task)].t()
        if method == "ProKeR":
            wanted = scale * wanted.softmax(dim=1)
        assert torch.allclose(head.logits(queries, [task]), wanted, atol=1e-4)


@pytest.mark.parametrize(
    "method, options",
    [
        ("ProKeR", {"beta": 30.0, "ridge": 1e-9}),
        ("Tip-Adapter", {"alpha": 1e6, "beta": 300.0}),
    ],
)
def test_a_memory_with_all_the_weight_repeats_what_it_was_shown(method, options):
    head = build(method, **options)
    features, labels = shots_of(head, 2, 1)
    head.fit(features, labels)
    predicted = head.logits(features[:, 0])
    assert torch.equal(TASKS.predict(predicted, labels), labels)
    if method == "ProKeR":
        mine = labels < 4
        wanted = CLIP.logit_scale.exp() * F.one_hot(labels[mine], 4)
        assert torch.allclose(predicted[mine][:, :4], wanted, atol=1e-2)


@pytest.mark.parametrize("method", ["GDA", "MeansText"])
def test_with_all_the_weight_class_means_decide(method):
    """Of GDA with a covariance that is a sphere, and of directions: the nearest mean."""
    head = build(method, weight=1e6)
    features, labels = shots_of(head, 1, 1)
    head.fit(features, labels)
    queries = queries_of(head)
    for task in range(len(TASKS)):
        means = features[TASKS.task_of_class[labels] == task][:, 0]
        distances = torch.cdist(queries, means)
        assert gap(-distances) > 1e-4
        assert torch.equal(head.logits(queries, [task]).argmax(dim=1), distances.argmin(dim=1))


@few
@given(classes=st.integers(1, 6), width=st.integers(2, 40), seed=st.integers(0, 99))
def test_one_view_of_one_shot_leaves_no_scatter(classes, width, seed):
    features = F.normalize(torch.randn(classes, 1, width, generator=seeded(seed)).double(), dim=-1)
    shots = Shots(features, torch.eye(classes).double(), features[:, 0], 10.0)
    assert shots.scatter.abs().max() == 0 and shots.degrees == 0
    sphere = covariance(shots.scatter, shots.degrees, shots.spread)
    assert torch.equal(sphere, shots.spread * torch.eye(width).double()) and shots.spread > 0


@pytest.mark.parametrize("method", SOLVED)
@pytest.mark.parametrize("shots, views", [(1, 1), (1, 3), (4, 1)])
def test_few_images_give_finite_logits(method, shots, views):
    head = build(method)
    head.fit(*shots_of(head, shots, views))
    assert torch.isfinite(head.logits(queries_of(head))).all()


def test_images_that_are_all_the_same_have_no_scatter_either():
    head = build("TextGDA-MT")
    features, labels = shots_of(head, 1, 1)
    head.fit(features.repeat(4, 1, 1), labels.repeat(4))
    assert torch.isfinite(head.logits(queries_of(head))).all()


def test_a_task_of_one_class_is_certain():
    tasks = softcpt.TaskSet([softcpt.Task("only", ["one"]), *TASKS])
    for method in HEADS:
        head = softcpt.build_prompter(method, CLIP, tasks)
        features, labels = shots_of(head, 2, 2, tasks)
        head.fit(features, labels)
        assert torch.isfinite(head.logits(queries_of(head))).all(), method


@pytest.mark.parametrize("width", [256, 512, 1024])
@pytest.mark.parametrize("shots", [1, 16])
def test_covariances_are_solved_to_the_last_digits(width, shots):
    """Residual of the linear equations, in float64, whatever the number of images."""
    generator = seeded(width + shots)
    classes = 5
    targets = F.one_hot(torch.arange(classes).repeat(shots), classes).double()
    spectrum = torch.logspace(0, -3, width)  # as uneven as features are
    features = torch.randn(classes * shots, 2, width, generator=generator) * spectrum
    features = F.normalize(features + 0.1, dim=-1).double()
    text = F.normalize(torch.randn(classes, width, generator=generator), dim=-1).double()
    task = Shots(features, targets, text, 100.0)
    options = TextGDA.Options()
    shared = Shared.of([task])
    total = task.scatter + options.nu * shared.covariance
    matrix = ridged(covariance(total, task.degrees + options.nu, task.spread), options.rho)
    rows = solve(matrix, task.means)
    assert (rows @ matrix - task.means).abs().max() < 1e-12
    [classifier] = [GDA.solver(None, task)({"alpha": 1.0})]
    assert torch.isfinite(classifier.weight).all()
    within = task.scatter / (len(task.samples) - 1)
    ridge = torch.trace(within) * torch.eye(width).double()
    p = np.linalg.inv(((len(task.samples) - 1) * within + ridge).numpy())
    wanted = 100 * text.numpy() + width * task.means.numpy() @ p
    assert np.abs(classifier.weight.numpy() - wanted).max() < 1e-9 * np.abs(wanted).max()


def test_a_kernel_that_would_be_too_large_is_refused():
    head = build("ProKeR", max_kernel=20)
    with pytest.raises(softcpt.UserError, match=r"12 images .* 36 x 36, .*MAX_KERNEL"):
        head.fit(*shots_of(head, 3))


def test_a_search_without_validation_images_is_refused():
    head = build("Tip-Adapter", search=True)
    with pytest.raises(softcpt.UserError, match="no validation images to choose alpha, beta on"):
        head.fit(*shots_of(head))


def test_views_of_an_image_stay_together():
    """Three views of two images are not six images: K is two."""
    head, flat = build("MeansText"), build("MeansText")
    features, labels = shots_of(head, 2, 3)
    report = head.fit(features, labels)
    assert report["fruit"]["alpha"] == pytest.approx(0.8 * 2)
    assert flat.fit(features.flatten(0, 1), labels.repeat_interleave(3))["fruit"][
        "alpha"
    ] == pytest.approx(0.8 * 6)
    assert views_of(head.text, labels, 3).shape == features.shape
