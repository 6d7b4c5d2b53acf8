"""A task's training images as heads take them: views of each, shares of classes, class means,
scatter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

TINY = 1e-12  # a squared length that is rounding, beside features of length one


@dataclass(frozen=True)
class Shots:
    """The training images of one task, and its classes' names.

    Attributes:
        features: (N, V, D) image features f of V views each, normalised.
        targets: (N, C) shares of the task's classes in each image, rows of sum one.
        text: (C, D) zero-shot embeddings t_c, normalised.
        scale: tau = exp(logit_scale).
    """

    features: Tensor
    targets: Tensor
    text: Tensor
    scale: float

    @property
    def samples(self) -> Tensor:
        """(N V, D) every view as a sample of its own, an image's views side by side."""
        return self.features.flatten(0, 1)

    @cached_property
    def sample_targets(self) -> Tensor:
        """(N V, C) the same of the targets."""
        return self.targets.repeat_interleave(self.features.shape[1], dim=0)

    @cached_property
    def counts(self) -> Tensor:
        """(C,) images of each class, K_c."""
        return (self.targets > 0).sum(dim=0)

    @property
    def seen(self) -> Tensor:
        """(C,) whether a class has images."""
        return self.counts > 0

    @property
    def shots(self) -> float:
        """K: images per class, mean over the classes that have some."""
        return self.counts[self.seen].double().mean().item()

    @cached_property
    def means(self) -> Tensor:
        """(C, D) m_c: mean of f over shots and views, not normalised; a class without images has
        the mean of the others' means, which speaks for none of them."""
        sums = self.targets.t() @ self.features.mean(dim=1)
        weight = self.targets.sum(dim=0)[:, None]
        means = sums / weight.clamp(min=TINY)
        return torch.where(self.seen[:, None], means, means[self.seen].mean(dim=0))

    @cached_property
    def scatter(self) -> Tensor:
        """(D, D) within-class scatter: sum over samples of (f - m_c)(f - m_c)'."""
        residuals = self.samples - self.sample_targets @ self.means
        return residuals.t() @ residuals

    @property
    def degrees(self) -> int:
        """Degrees of freedom of :attr:`scatter`: samples less classes that have some."""
        return len(self.samples) - int(self.seen.sum())

    @property
    def spread(self) -> float:
        """Variance per dimension of the class means about their mean: what stands in for a
        covariance where one view of one shot leaves no scatter; 1 for a single class."""
        means = self.means[self.seen]
        centred = means - means.mean(dim=0)
        variance = centred.square().sum().item() / (means.shape[1] * max(len(means) - 1, 1))
        return variance if variance > TINY else 1.0


def covariance(scatter: Tensor, degrees: float, spread: float) -> Tensor:
    """(D, D) ``scatter`` / ``degrees``; without any scatter the sphere ``spread`` I."""
    if degrees > 0 and scatter.diagonal().sum().item() > TINY * degrees:
        return scatter / degrees
    return spread * torch.eye(len(scatter), dtype=scatter.dtype, device=scatter.device)


def ridged(matrix: Tensor, ridge: float) -> Tensor:
    """``matrix`` (D, D) + ``ridge`` times its mean eigenvalue on the diagonal."""
    result = matrix.clone()
    result.diagonal().add_(ridge * matrix.diagonal().mean())
    return result


def solve(matrix: Tensor, rows: Tensor) -> Tensor:
    """(C, D) ``rows`` times the inverse of a symmetric positive definite ``matrix`` (D, D), by its
    Cholesky factor: nothing is inverted."""
    return torch.cholesky_solve(rows.t(), torch.linalg.cholesky(matrix)).t()
