"""Heads that are solved for, against a plain statement of their equations and against numerical
solutions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize

import softcpt
from softcpt.prompters.heads.shots import Shots
from softcpt.prompters.heads.text_gda import Shared
from tests.prompters.heads import statements
from tests.prompters.heads.features import TASKS, queries_of, seeded, shots_of


def fitted(clip, method, drop=(), shots=3, views=3, **options):
    """A head that is fitted to all classes but those of ``drop``, and its tasks' problems."""
    head = softcpt.build_prompter(method, clip, TASKS, **options)
    features, labels = shots_of(head, shots, views)
    kept = torch.tensor([int(label) not in drop for label in labels])
    features, labels = features[kept], labels[kept]
    head.fit(features, labels)
    tau = clip.logit_scale.exp()
    text = head.text
    problems = [
        statements.Problem(TASKS, task, text, tau, features, labels) for task in range(len(TASKS))
    ]
    return head, problems


def compare(ours: torch.Tensor, wanted: np.ndarray, centred: bool = False) -> None:
    """Logits (B, C) agree, with ``centred`` up to what all classes of an image have in common."""
    ours = ours.detach().double().numpy()
    if centred:
        ours, wanted = (x - x.mean(axis=1, keepdims=True) for x in (ours, wanted))
    assert np.abs(ours - wanted).max() < 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("task", range(len(TASKS)))
@pytest.mark.parametrize("views", [1, 3])
def test_means_text_gda_tip_adapter_and_proker_are_their_equations(clip, task, views):
    def check(method, statement, *settings, **options):
        head, problems = fitted(clip, method, views=views, **options)
        queries = queries_of(head)
        wanted = statement(problems[task], queries.double().numpy(), *settings)
        compare(head.logits(queries, [task]), wanted)

    check("MeansText", statements.means_text, 3)
    check("GDA", statements.gda, 0.02 * 3**2)
    check("Tip-Adapter", statements.tip_adapter, 1.0, 5.5)
    check("Tip-Adapter", statements.tip_adapter, 2.0, 3.0, alpha=2.0, beta=3.0)
    check("ProKeR", statements.proker, 0.1, 1.0)


@pytest.mark.parametrize("method, shared", [("TextGDA", False), ("TextGDA-MT", True)])
@pytest.mark.parametrize("drop", [(), (1, 5)])
def test_text_gda_is_its_equations_with_and_without_classes_that_have_no_images(
    clip, method, shared, drop
):
    head, problems = fitted(clip, method, drop)
    queries = queries_of(head)
    for task in range(len(TASKS)):
        wanted = statements.text_gda(problems, task, queries.double().numpy(), shared)
        compare(head.logits(queries, [task]), wanted, centred=True)


def test_of_equal_shots_text_gda_is_the_rule_of_gaussians_around_the_origin(clip):
    """(f' P mu - mu' P mu / 2) / (1 + v), as it is usually written."""
    head, _ = fitted(clip, "TextGDA", new_classes=True)
    p = np.linalg.inv(head.covariance[0].double().numpy())
    centre = head.centre[0].double().numpy()
    queries = queries_of(head).double().numpy()
    weight = head.weight[TASKS.columns(0)].double().numpy()
    v = 0.2 / (0.2 * 3 + 1)
    mu = centre + (1 + v) * weight @ head.covariance[0].double().numpy()
    wanted = (queries @ p @ mu.T - np.einsum("cd,de,ce->c", mu, p, mu) / 2) / (1 + v)
    compare(head.logits(torch.tensor(queries).float(), [0]), wanted, centred=True)


def test_the_posterior_mean_maximises_likelihood_times_prior(clip):
    """K images N(mu, Sigma) and the prior N(prior, kappa Sigma): a numerical optimum over mu."""
    head, problems = fitted(clip, "TextGDA", new_classes=True)
    problem, kappa = problems[0], 0.2
    sigma = head.covariance[0].double().numpy()
    p = np.linalg.inv(sigma)
    centre = head.centre[0].double().numpy()
    prior = centre + head.slope[0].item() * (problem.text[2] - head.text_centre[0].double().numpy())
    images = problem.images[2].mean(axis=1)

    def energy(mu):
        of_images = sum((f - mu) @ p @ (f - mu) for f in images)
        value = of_images / 2 + (mu - prior) @ p @ (mu - prior) / (2 * kappa)
        gradient = -sum(p @ (f - mu) for f in images) + p @ (mu - prior) / kappa
        return value, gradient

    best = minimize(energy, prior, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 5000})
    row = head.weight[2].double().numpy() * (1 + kappa / (kappa * 3 + 1))
    assert np.abs(centre + sigma @ row - best.x).max() < 1e-5


def test_gamma_is_the_least_squares_slope_of_images_on_names(clip):
    head, problems = fitted(clip, "TextGDA-MT")
    x, y = [], []
    for problem in problems:
        means = np.stack([problem.mean(c) for c in range(len(problem.images))])
        x.append((problem.text - problem.text.mean(axis=0)).ravel())
        y.append((means - means.mean(axis=0)).ravel())
    slope = np.linalg.lstsq(np.concatenate(x)[:, None], np.concatenate(y), rcond=None)[0]
    assert head.slope.tolist() == pytest.approx([slope[0]] * len(TASKS), rel=1e-5)


def test_prokers_values_minimise_the_regularised_squared_error(clip):
    """sum |Y - z - K a|^2 + lambda a' K a, by a numerical optimiser."""
    head, problems = fitted(clip, "ProKeR", shots=2, views=1)
    problem = problems[2]
    x = problem.samples
    k = np.exp(-(1 - x @ x.T))
    e = np.exp(problem.tau * x @ problem.text.T)
    residual = problem.one_hot - e / e.sum(axis=1, keepdims=True)

    def energy(flat):
        a = flat.reshape(residual.shape)
        error = residual - k @ a
        value = (error**2).sum() + 0.1 * (a * (k @ a)).sum()
        return value, (-2 * k @ error + 0.2 * k @ a).ravel()

    best = minimize(
        energy, np.zeros(residual.size), jac=True, method="BFGS", options={"gtol": 1e-10}
    )
    values = head.values[TASKS.columns(2), : len(x)].double().numpy().T
    assert np.abs(values - best.x.reshape(residual.shape)).max() < 1e-3


@pytest.mark.parametrize("method", ["MeansText", "GDA", "Tip-Adapter", "ProKeR"])
def test_a_search_takes_the_best_settings_on_validation_images_task_by_task(clip, method):
    head = softcpt.build_prompter(method, clip, TASKS, search=True)
    features, labels = shots_of(head, 2)
    val, val_labels = shots_of(head, 6, 1, seed=7)
    report = head.fit(features, labels, val[:, 0], val_labels)
    names = head.selects.split(", ")
    assert list(head.grid) == names
    power = {"MeansText": 2, "GDA": 4}.get(method)  # their alpha is an option times a power of K

    def right(task, settings):
        """Validation images of the task that a head with these fixed settings has right."""
        given = {"weight": settings["alpha"] / power} if power and settings else settings
        fixed = softcpt.build_prompter(method, clip, TASKS, **given)
        fixed.fit(features, labels, tasks=[task])
        mine = TASKS.task_of_class[val_labels] == task
        predicted = TASKS.predict(fixed.logits(val[mine][:, 0]), val_labels[mine])
        return (predicted == val_labels[mine]).sum().item()

    pairs = itertools.product(*head.grid.values())
    tried = [{}, *(dict(zip(names, values)) for values in pairs)]
    for task, name in enumerate(TASKS.names):
        chosen = {setting: report[name][setting] for setting in names}
        assert right(task, chosen) == max(right(task, settings) for settings in tried)


def test_statistics_are_those_of_numpy():
    labels = torch.tensor([0, 1, 1, 0, 2])
    features = F.normalize(torch.randn(5, 2, 6, generator=seeded(1)).double(), dim=-1)
    shots = Shots(features, F.one_hot(labels, 4).double(), torch.zeros(4, 6), 1.0)
    assert shots.counts.tolist() == [2, 2, 1, 0] and shots.shots == pytest.approx(5 / 3)
    wanted = np.zeros((6, 6))
    for c in range(3):
        of = features[labels == c].flatten(0, 1).numpy()
        assert np.allclose(shots.means[c], of.mean(axis=0))
        wanted += np.cov(of.T, bias=True) * len(of)
    assert np.allclose(shots.scatter, wanted) and shots.degrees == 10 - 3
    assert torch.allclose(shots.means[3], shots.means[:3].mean(dim=0))
    assert Shared.of([shots]).slope == 0.0  # texts that do not differ say nothing
