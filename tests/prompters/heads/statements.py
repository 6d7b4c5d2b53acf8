"""The heads' equations once more, plainly: NumPy in float64, loops over classes, inverses."""

from __future__ import annotations

import numpy as np


class Problem:
    """One task's training images: ``of(c)`` is (K, V, D), text (C, D), tau."""

    def __init__(self, tasks, task, text, tau, features, labels):
        first = tasks.offsets[task]
        self.text = text[tasks.columns(task)].double().numpy()
        self.tau = float(tau)
        self.images = [
            features[labels == first + c].double().numpy() for c in range(tasks.sizes[task])
        ]

    @property
    def samples(self):
        return np.concatenate([of.reshape(-1, of.shape[-1]) for of in self.images])

    @property
    def one_hot(self):
        rows = [
            np.eye(len(self.images))[c][None]
            for c, of in enumerate(self.images)
            for _ in range(of.shape[0] * of.shape[1])
        ]
        return np.concatenate(rows)

    def mean(self, c):
        return self.images[c].reshape(-1, self.images[c].shape[-1]).mean(axis=0)

    @property
    def seen(self):
        return [c for c, of in enumerate(self.images) if len(of)]

    def scatter(self):
        width = self.text.shape[1]
        total = np.zeros((width, width))
        for c in self.seen:
            for f in self.images[c].reshape(-1, width):
                total += np.outer(f - self.mean(c), f - self.mean(c))
        return total, len(self.samples) - len(self.seen)


def means_text(problem, queries, shots):
    out = []
    for c, t in enumerate(problem.text):
        m = problem.mean(c)
        out.append(problem.tau * queries @ (t + 0.8 * shots * m / np.linalg.norm(m)))
    return np.stack(out, axis=1)


def gda(problem, queries, alpha):
    scatter, _ = problem.scatter()
    count, width = problem.samples.shape
    covariance = scatter / (count - 1)
    p = width * np.linalg.inv((count - 1) * covariance + np.trace(covariance) * np.eye(width))
    out = []
    for c, t in enumerate(problem.text):
        m = problem.mean(c)
        out.append(problem.tau * queries @ t + alpha * (queries @ p @ m - m @ p @ m / 2))
    return np.stack(out, axis=1)


def text_gda(problems, task, queries, shared, kappa=0.2, rho=3.0, nu=150.0):
    """softcpt/prompters/heads/text_gda.py, up to what all classes have in common."""
    pool = problems if shared else [problems[task]]
    xy = xx = 0.0
    scatters, degrees = 0.0, 0
    for problem in pool:
        tbar = np.mean([problem.text[c] for c in problem.seen], axis=0)
        mbar = np.mean([problem.mean(c) for c in problem.seen], axis=0)
        for c in problem.seen:
            xy += (problem.text[c] - tbar) @ (problem.mean(c) - mbar)
            xx += (problem.text[c] - tbar) @ (problem.text[c] - tbar)
        scatter, k = problem.scatter()
        scatters, degrees = scatters + scatter, degrees + k
    gamma, s = xy / xx, scatters / degrees
    problem = problems[task]
    scatter, k = problem.scatter()
    sigma = (scatter + nu * s) / (k + nu)
    sigma = sigma + rho * np.trace(sigma) / len(sigma) * np.eye(len(sigma))
    p = np.linalg.inv(sigma)
    tbar = np.mean([problem.text[c] for c in problem.seen], axis=0)
    mbar = np.mean([problem.mean(c) for c in problem.seen], axis=0)
    out = []
    for c, t in enumerate(problem.text):
        count = len(problem.images[c])
        gain, v = kappa * count / (kappa * count + 1), kappa / (kappa * count + 1)
        x = gamma * (t - tbar)
        d = x + (gain * (problem.mean(c) - mbar - x) if count else 0)
        out.append(((queries - mbar) @ p @ d - d @ p @ d / 2) / (1 + v))
    return np.stack(out, axis=1)


def tip_adapter(problem, queries, alpha, beta):
    out = problem.tau * queries @ problem.text.T
    for c, images in enumerate(problem.images):
        for image in images:
            key = image.mean(axis=0) / np.linalg.norm(image.mean(axis=0))
            out[:, c] += alpha * np.exp(-beta * (1 - queries @ key))
    return out


def proker(problem, queries, ridge, beta):
    def zero_shot(f):
        e = np.exp(problem.tau * f @ problem.text.T)
        return e / e.sum(axis=1, keepdims=True)

    def k(f, g):
        return np.exp(-beta * ((f[:, None] - g[None]) ** 2).sum(axis=2) / 2)

    x = problem.samples
    inverse = np.linalg.inv(k(x, x) + ridge * np.eye(len(x)))
    residual = problem.one_hot - zero_shot(x)
    return problem.tau * (zero_shot(queries) + k(queries, x) @ inverse @ residual)
