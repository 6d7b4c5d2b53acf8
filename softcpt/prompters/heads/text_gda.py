"""TextGDA and TextGDA-MT: Gaussian discriminant analysis whose class means have the class names as
prior. In closed form; it needs no validation images and no training. Source: this project.

A class is a Gaussian N(mu_c, Sigma_t), Sigma_t that of its task t. With m_c the mean of f over the
shots and views of c, mbar and tbar the means of m and of the zero-shot embeddings t over the
classes of the task that have images:

    x_c = t_c - tbar,   y_c = m_c - mbar
    gamma = sum_c x_c . y_c / sum_c x_c . x_c                how far images follow names
    Sigma_t = (S_t + nu S) / (k_t + nu), then + rho tr(Sigma_t) / D I
    S_t = sum (f - m_c)(f - m_c)' over the task's samples,  k_t = V N_t - C_t
    S = sum_t S_t / sum_t k_t
    g_c = kappa K_c / (kappa K_c + 1),   v_c = kappa / (kappa K_c + 1)
    d_c = gamma x_c + g_c (y_c - gamma x_c),   mu_c = mbar + d_c         the posterior mean
    logit of c = ((f - mbar)' P d_c - d_c' P d_c / 2) / (1 + v_c),   P = Sigma_t^-1

TextGDA-MT sums gamma and S over **all tasks**; TextGDA (``per_task``) over the task alone. The
logits are those of f' P mu_c - mu_c' P mu_c / 2 but for a term that all classes have in common;
written around mbar they also compare classes of different numbers of images. A class without images
has its prior mean, mbar + gamma x_c, and so has a class that is first named after fitting
(``new_classes``). One view of one shot leaves no scatter: then Sigma_t is a sphere.

kappa 0.2, rho 3 and nu 150 were chosen once on Emoji-44's validation images, for all shots and
data; neighbours move the result by 0.6 points at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.classifier import MethodOptions, option
from softcpt.prompters.heads.linear_head import Linear, LinearHead
from softcpt.prompters.heads.shots import TINY, Shots, covariance, ridged, solve
from softcpt.prompters.task_matching import origin_of
from softcpt.tasks import TaskSet


@dataclass
class TextGDAOptions(MethodOptions):
    """Options of TextGDA."""

    per_task: bool = option(True, "each task for itself, or all share gamma and S")
    kappa: float = option(
        0.2, "variance of class means about the text's prediction, in that of one image"
    )
    rho: float = option(3.0, "ridge on the covariance, in its mean eigenvalue")
    nu: float = option(150.0, "samples that the shared covariance counts for")
    new_classes: bool = option(
        False,
        "keep the covariances (D x D numbers a task), which classes need that are first named "
        "after fitting (base-to-new)",
    )


@dataclass(frozen=True)
class Prior:
    """What a task's class means are drawn around, and their precision.

    Attributes:
        centre: (D,) mbar.
        text_centre: (D,) tbar.
        slope: gamma.
        covariance: (D, D) Sigma_t, ridge included.
    """

    centre: Tensor
    text_centre: Tensor
    slope: float
    covariance: Tensor

    def means(self, text: Tensor) -> Tensor:
        """(C, D) gamma x_c of classes with embeddings ``text`` (C, D)."""
        return self.slope * (text - self.text_centre)

    def linear(self, deviations: Tensor, variances: Tensor) -> Linear:
        """The classifier of class means ``centre`` + ``deviations`` (C, D) and v (C,)."""
        rows = solve(self.covariance, deviations) / (1 + variances)[:, None]
        return Linear(rows, -rows @ self.centre - (rows * deviations).sum(dim=1) / 2)


@dataclass(frozen=True)
class Shared:
    """What tasks have in common, estimated from all of ``Shared.of``'s.

    Attributes:
        slope: gamma; 0 where no task has two classes with images.
        covariance: (D, D) S; zero where there is no scatter at all.
    """

    slope: float
    covariance: Tensor

    @classmethod
    def of(cls, tasks: Sequence[Shots]) -> Shared:
        """Sums over the ``tasks`` that have images."""
        products, squares, degrees = 0.0, 0.0, 0
        scatter = torch.zeros((), dtype=torch.float64)
        for shots in tasks:
            if not len(shots.features):
                continue
            text, means = shots.text[shots.seen], shots.means[shots.seen]
            text, means = text - text.mean(dim=0), means - means.mean(dim=0)
            products += (text * means).sum().item()
            squares += text.square().sum().item()
            degrees += shots.degrees
            scatter = scatter + shots.scatter
        slope = products / squares if squares > TINY else 0.0
        return cls(slope, scatter / max(degrees, 1))


class TextGDA(LinearHead):
    """TextGDA for each task, or -MT for all.

    Attributes:
        centre: (T, D) mbar.
        text_centre: (T, D) tbar.
        slope: (T,) gamma.
        covariance: (T, D, D) Sigma_t with ``new_classes``, else empty: (T, 0, 0).
    """

    Options = TextGDAOptions

    options: TextGDAOptions
    centre: Tensor
    text_centre: Tensor
    slope: Tensor
    covariance: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: TextGDAOptions) -> None:
        super().__init__(clip, tasks, options)
        width = clip.embed_dim if options.new_classes else 0
        for name, shape in (
            ("centre", (clip.embed_dim,)),
            ("text_centre", (clip.embed_dim,)),
            ("slope", ()),
            ("covariance", (width, width)),
        ):
            self.register_buffer(name, torch.zeros(len(tasks), *shape, device=clip.device))

    def fit_tasks(
        self,
        train: Sequence[Shots],
        val: Sequence[Shots],  # noqa: ARG002 - nothing is chosen
        chosen: Sequence[int],
    ) -> dict[str, dict[str, float]]:
        """Fit the ``chosen`` tasks; what is shared comes from all that have images."""
        shared = None if self.options.per_task else Shared.of(train)
        report = {}
        for task in chosen:
            shots = train[task]
            prior = self.prior(shots, shared or Shared.of([shots]))
            self.keep({task: self.posterior(prior, shots)})
            self._keep_prior(task, prior)
            report[self.tasks[task].name] = {
                "gamma": prior.slope,
                "training images": len(shots.features),
            }
        return report

    def prior(self, shots: Shots, shared: Shared) -> Prior:
        """The prior of a task's class means, with its covariance."""
        options, seen = self.options, shots.seen
        total = shots.scatter + options.nu * shared.covariance
        within = covariance(total, shots.degrees + options.nu, shots.spread)
        return Prior(
            shots.means[seen].mean(dim=0),
            shots.text[seen].mean(dim=0),
            shared.slope,
            ridged(within, options.rho),
        )

    def posterior(self, prior: Prior, shots: Shots) -> Linear:
        """The classifier of the posterior means."""
        weight = self.options.kappa * shots.counts.to(shots.means)
        expected = prior.means(shots.text)
        gain = (weight / (weight + 1))[:, None]
        deviations = expected + gain * (shots.means - prior.centre - expected)
        return prior.linear(deviations, self.options.kappa / (weight + 1))

    @torch.no_grad()
    def _keep_prior(self, task: int, prior: Prior) -> None:
        self.centre[task] = prior.centre.to(self.centre)
        self.text_centre[task] = prior.text_centre.to(self.centre)
        self.slope[task] = prior.slope
        if self.options.new_classes:
            self.covariance[task] = prior.covariance.to(self.centre)

    # -- classes without images --------------------------------------------------------------------

    def rows(self, name: str) -> str:
        """Classes have weight and bias, tasks the rest."""
        return "class" if name in ("weight", "bias") else "task"

    def load_reference_state(
        self, state: Mapping[str, Tensor], trained: TaskSet | None = None
    ) -> None:
        """As of every method; classes of ``self`` that ``trained`` lacks get their prior means.

        Raises:
            UserError: there are such classes, and no covariance was kept.
        """
        if "covariance" in state:  # what was fitted says whether covariances are kept
            shape = (len(self.tasks), *state["covariance"].shape[1:])
            self.covariance = self.covariance.new_zeros(shape)
        if trained is not None:
            state, trained = self._with_new_classes(state, trained)
        super().load_reference_state(state, trained)

    def _with_new_classes(
        self, state: Mapping[str, Tensor], trained: TaskSet
    ) -> tuple[Mapping[str, Tensor], TaskSet]:
        """``state`` and its tasks with the classes of ``self`` that they lack, behind their own."""
        tasks = list(trained)
        weights = [state["weight"][trained.columns(task)] for task in range(len(trained))]
        biases = [state["bias"][trained.columns(task)] for task in range(len(trained))]
        for index, task in enumerate(self.tasks):
            origin = origin_of(trained, task)
            known = tasks[origin].class_names
            labels = [at for at, name in enumerate(task.class_names) if name not in known]
            if not labels:
                continue
            names = tuple(task.class_names[label] for label in labels)
            if not state["covariance"].numel():
                raise UserError(
                    f"class '{names[0]}' of task '{task.name}': it had no name when the head was "
                    "fitted, and no covariance was kept to give it its prior mean; fit again with "
                    "TRAINER.TEXTGDA.NEW_CLASSES True"
                )
            added = self._new_classes(state, origin, self.text[self.tasks.columns(index)][labels])
            weights[origin] = torch.cat([weights[origin], added.weight.to(weights[origin])])
            biases[origin] = torch.cat([biases[origin], added.bias.to(biases[origin])])
            tasks[origin] = tasks[origin].with_classes((*known, *names))
        grown = {**state, "weight": torch.cat(weights), "bias": torch.cat(biases)}
        return grown, TaskSet(tasks)

    def _new_classes(self, state: Mapping[str, Tensor], task: int, text: Tensor) -> Linear:
        """The classifier of classes without images, from their embeddings (C, D)."""

        def kept(name: str) -> Tensor:
            return state[name][task].cpu().double()

        slope = kept("slope").item()
        prior = Prior(kept("centre"), kept("text_centre"), slope, kept("covariance"))
        means = prior.means(text.cpu().double())
        return prior.linear(means, means.new_full((len(means),), self.options.kappa))
