"""How the tasks of a batch count in the loss, and in the gradient.

    L = sum over tasks t with images in the batch:  p_t w_t f_t(L_t)

L_t is the mean cross-entropy of the batch's n_t images with a label of t, B the sum of the n_t.
With everything at its default

    p_t = n_t / B,  w_t = 1,  f_t(L) = L:           the mean over the images (SoftCPT, Eq. 8)

``shares`` tasks: p_t = 1 / T' for the T' tasks with images. ``weights``: w_t. ``weighting``:

    running_mean   f_t(L) = L / m_t,  m_t = M_t / (1 - d^k),  M_t <- d M_t + (1 - d) L
                   over the k steps with images of t, this one among them; m_t has no gradient
    uncertainty    f_t(L) = exp(-s_t) L + s_t / 2,  s_t trained from 0 with the method's optimiser,
                   without weight decay: log of a variance (Kendall, Gal & Cipolla 2018, arXiv
                   1705.07115, Eq. 10)

``gradients`` pcgrad: the gradients of the L's terms lose what conflicts (softcpt/engine/pcgrad.py).
What a method adds to the cross-entropy (KgCoOp's distance) is added behind the sum, as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from softcpt.engine.balance_settings import BalanceSettings
from softcpt.engine.pcgrad import TaskGradients, conflict_weights
from softcpt.prompters import TaskClassifier
from softcpt.utils.sending import on_host, send, send_labels


class TaskBalance(nn.Module):
    """The loss of a batch under ``settings``. Its tensors are the training's, not the method's.

    Args:
        settings: that ask for something.
        method: that is trained.

    Raises:
        UserError: they have no meaning for the method, or a weight is none.

    Attributes:
        weight: (T,) the fixed w_t.
        mean, steps: (T,) M_t and k of running_mean.
        log_variance: (T,) s_t of uncertainty.
    """

    weight: Tensor
    mean: Tensor
    steps: Tensor

    def __init__(self, settings: BalanceSettings, method: TaskClassifier) -> None:
        super().__init__()
        settings.refuse(method)
        self.settings, self.names = settings, method.tasks.names
        count = len(self.names)
        weight = torch.tensor(settings.weights_of(method.tasks))
        self.register_buffer("weight", weight, persistent=False)
        if settings.weighting == "running_mean":
            self.register_buffer("mean", torch.zeros(count))
            self.register_buffer("steps", torch.zeros(count))
        if settings.weighting == "uncertainty":
            self.log_variance = nn.Parameter(torch.zeros(count))
        self._orders = np.random.default_rng(0)
        self.to(method.device)

    def join(self, optimiser: Optimizer) -> None:
        """Have the optimiser train s_t, too; before its schedule is made."""
        if self.settings.weighting == "uncertainty":
            optimiser.add_param_group({"params": [self.log_variance], "weight_decay": 0.0})

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Seed the order in which tasks are compared. It is drawn by itself: no other draw of the
        run depends on the balance."""
        self._orders = np.random.default_rng([max(seed, 0), epoch])

    def loss(
        self, method: TaskClassifier, features: Tensor, labels: Tensor, scale: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """The loss and the accuracy in %, of image ``features`` (B, D) and global ``labels`` (B,);
        ``scale`` is the loss scaler's factor."""
        if self.settings.gradients == "pcgrad":
            return self._without_conflicts(method, features, labels, scale)
        owners = method.tasks.owners(labels)
        added: list[Tensor] = []

        def combine(losses: Tensor) -> Tensor:
            means, counts = task_means(losses, owners, len(self.names))
            factors, own = self._factors(means.detach(), counts)
            added.append(own)
            return (factors * means).sum()

        loss, accuracy = method.loss(features, labels, combine)
        return loss + added[0], accuracy

    def _factors(self, means: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """(T,) the derivatives of L by the L_t, and what is to be added to sum_t factor_t L_t: the
        terms of s_t with their gradients.

        Args:
            means: (T,) L_t, without gradient.
            counts: (T,) n_t.
        """
        there = (counts > 0).to(means.dtype)
        by_image = self.settings.shares == "images"
        shares = (counts if by_image else there) / (counts if by_image else there).sum()
        factors, own = shares * self.weight.to(means.dtype), means.new_zeros(())
        if self.settings.weighting == "running_mean":
            return factors / self._updated_mean(means, there), own
        if self.settings.weighting == "uncertainty":
            variance = self.log_variance
            trained = variance.neg().exp() * means
            # Its value is in the sum already; the gradient is not.
            own = (factors * (trained - trained.detach() + variance / 2)).sum()
            factors = factors * variance.detach().neg().exp()
        return factors, own

    def _updated_mean(self, means: Tensor, there: Tensor) -> Tensor:
        """(T,) m_t, with this step; 1 where a task had no image yet."""
        factor = self.settings.mean_factor
        self.steps += there
        self.mean += there * (1 - factor) * (means - self.mean)
        found = self.mean.to(means.dtype) / (1 - factor**self.steps)
        found = torch.where(self.steps > 0, found, 1.0)
        return found.clamp(min=torch.finfo(means.dtype).tiny)  # a loss that is 0 stays 0

    def _without_conflicts(
        self, method: TaskClassifier, features: Tensor, labels: Tensor, scale: float
    ) -> tuple[Tensor, Tensor]:
        """Each task's images and classes by themselves: T small passes, together as long as one. If
        a method adds to the cross-entropy, one pass more, for its whole loss."""
        features, labels = method.tasks.of_pairs(features, labels)
        known, device = on_host(labels), features.device
        owners, tasks = method.tasks.owners(known), method.tasks.present(known)
        trained = [one for one in method.parameters() if one.requires_grad]
        gradients, alone = TaskGradients(trained, len(tasks)), True
        losses, right = [], []
        for place, task in enumerate(tasks):
            mine, kept = torch.nonzero(owners == task).flatten(), _Kept()
            own_labels = send_labels(known[mine], device)
            loss, accuracy = method.loss(features[send(mine, device)], own_labels, kept)
            gradients.add(place, kept.mean, scale, keep_graph=features.requires_grad)
            losses.append(kept.mean.detach())
            right.append(accuracy * len(mine))
            alone &= loss is kept.mean
        there = send(torch.tensor(tasks), device)
        means, counts = torch.stack(losses).new_zeros((2, len(self.names)))
        means[there] = torch.stack(losses)
        counts += send(torch.bincount(owners, minlength=len(counts)), device)
        factors, own = self._factors(means, counts)
        value: Tensor = (factors * means).sum()
        factors[there] *= self._conflict_weights(gradients, factors[there])
        if alone:
            loss = gradients.loss(value, factors[there])
            return loss + own, torch.stack(right).sum() / len(labels)
        del gradients  # T' times the parameters

        of_images = send(owners, device)

        def combine(losses: Tensor) -> Tensor:
            total: Tensor = (factors * task_means(losses, of_images, len(self.names))[0]).sum()
            return total + (value - total.detach())

        loss, accuracy = method.loss(features, labels, combine)
        return loss + own, accuracy

    def _conflict_weights(self, gradients: TaskGradients, factors: Tensor) -> Tensor:
        """(T',) a_t of the gradients times ``factors`` (T',)."""
        gram = gradients.gram(factors)
        orders = [self._orders.permutation(len(gram)).tolist() for _ in gram]
        weights = torch.from_numpy(conflict_weights(gram, orders)).to(factors.dtype)
        return send(weights, factors.device)

    def described(self) -> dict[str, Any]:
        """For results.json: what was asked for, and w_t and f_t's derivative as they are now."""
        with torch.no_grad():
            weights = self.weight.clone()
            if self.settings.weighting == "uncertainty":
                weights *= self.log_variance.neg().exp()
            if self.settings.weighting == "running_mean":
                weights /= self._updated_mean(self.mean, torch.zeros_like(self.mean))
        by_task: Mapping[str, float] = dict(zip(self.names, weights.tolist()))
        return {
            "shares": self.settings.shares,
            "weighting": self.settings.weighting,
            "gradients": self.settings.gradients,
            "weights": by_task,
        }


class _Kept:
    """Takes the mean of the losses (B,) of a task's images, and keeps it."""

    mean: Tensor

    def __call__(self, losses: Tensor) -> Tensor:
        self.mean = losses.mean()
        return self.mean


def task_means(losses: Tensor, owners: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """(T,) the mean over each task's images of ``losses`` (B,), 0 without one; and (T,) how many
    there are. ``owners`` (B,) are the images' tasks, ``count`` is T.

    Filled rather than scattered: an index_add on a GPU sums in another order each time.
    """
    of_task = owners[None] == torch.arange(count, device=owners.device)[:, None]
    counts = of_task.sum(dim=1).to(losses.dtype)
    sums = torch.where(of_task, losses[None], 0.0).sum(dim=1)
    return sums / counts.clamp(min=1), counts
