"""What few-shot heads share: zero-shot embeddings, shots task by task, and fixed settings or those
that are best on validation images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.classifier import MethodOptions, option
from softcpt.prompters.feature_classifier import FeatureClassifier
from softcpt.prompters.heads.shots import Shots
from softcpt.prompters.zeroshot import template_embeddings
from softcpt.tasks import TaskSet, marks

Settings = Mapping[str, float]


class Fitted(Protocol):
    """What a head was fitted to for one task: (B, D) image features -> (B, C) logits of the task's
    classes."""

    def __call__(self, features: Tensor) -> Tensor:
        """The logits."""


F = TypeVar("F", bound=Fitted)


@dataclass
class SearchOptions(MethodOptions):
    """Options of heads whose settings may be searched for."""

    search: bool = option(
        False, "choose the settings on validation images, task by task, in place of fixed ones"
    )


class Head(FeatureClassifier, Generic[F]):
    """A head on the frozen tower's features; gives :meth:`solver`, :meth:`keep`
    and :meth:`fitted`.

    Attributes:
        grid: the values that a search on validation images tries, by setting.
        closed_form: whether it is solved for, in float64 on the CPU, or trained, in float32 where
            the towers are.
        text: (C, D) zero-shot embeddings of the task's template, normalised.
    """

    grid: Mapping[str, Sequence[float]] = MappingProxyType({})
    closed_form: bool = True
    augmented = True

    text: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: MethodOptions) -> None:
        super().__init__(clip, tasks, options)
        self.register_buffer("text", template_embeddings(clip, tasks), persistent=False)

    def class_embeddings(self) -> Tensor:
        """(C, D) normalised: those of zero-shot, which the head starts from."""
        return self.text

    def fitted(self, task: int) -> F:
        """What classifies a task's images."""
        raise NotImplementedError(f"{type(self).__name__}: a head gives fitted")

    def logits(
        self, features: Tensor, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """Image features (B, D) -> (B, C); of ``tasks`` or ``classes`` (B, C')."""
        chosen, columns = self.tasks.chosen(tasks, classes)
        logits = torch.cat([self.fitted(task)(features) for task in chosen], dim=1)
        if classes is None:
            return logits
        places = torch.searchsorted(self.tasks.classes_of(chosen), columns.cpu())
        return logits[:, places.to(logits.device)]

    @property
    def all_at_once(self) -> bool:
        """What is solved for is solved for all tasks in seconds."""
        return self.closed_form

    def register_fitted(self, name: str, value: Tensor) -> None:
        """Keep ``value`` as a buffer if it is solved for, as a parameter if it is trained."""
        if self.closed_form:
            self.register_buffer(name, value)
        else:
            self.register_parameter(name, nn.Parameter(value))

    # -- fitting -----------------------------------------------------------------------------------

    def fit(
        self,
        features: Tensor,
        labels: Tensor,
        val_features: Tensor | None = None,
        val_labels: Tensor | None = None,
        tasks: Sequence[int] | None = None,
    ) -> dict[str, dict[str, float]]:
        """Fit the classifiers of ``tasks`` (None: all).

        Args:
            features: (N, D) of the training images, as :meth:`image_features` gives them, or
                (N, V, D) of V views of each. A head that shares something among tasks learns it
                from all of them, whatever ``tasks``.
            labels: (N,) their global classes, or (N, K) with -1 for none, of images with several
                tasks (:class:`softcpt.TaskSet`) or, where ``several_labels``, classes.
            val_features: (N', D) of validation images, for a search.
            val_labels: their global classes.
            tasks: which tasks.

        Returns:
            By task name what was chosen and measured, to be shown.

        Raises:
            UserError: a task has no training images, or no validation images for a search; an
                image has several classes and the head takes one.
        """
        if val_features is None or val_labels is None:
            val_features, val_labels = features[:0], labels[:0]
        train = self._by_task(features, labels)
        val = self._by_task(val_features, val_labels)
        chosen = range(len(self.tasks)) if tasks is None else tasks
        for index in chosen:
            self._refuse_gaps(index, train[index], val[index])
        return self.fit_tasks(train, val, chosen)

    def fit_tasks(
        self, train: Sequence[Shots], val: Sequence[Shots], chosen: Sequence[int]
    ) -> dict[str, dict[str, float]]:
        """Fit the ``chosen`` of all tasks, each for itself."""
        report, fitted = {}, {}
        for task in chosen:
            settings, fitted[task] = self.fit_shots(train[task], val[task])
            images = len(train[task].features)
            report[self.tasks[task].name] = {**settings, "training images": images}
        self.keep(fitted)
        return report

    def fit_shots(self, shots: Shots, val: Shots) -> tuple[Settings, F]:
        """The settings of one task, fixed or the best on its validation images, and what it is
        fitted to with them."""
        solve = self.solver(shots)
        settings = self._best(solve, shots, val) if self.selects else self.settings(shots)
        return settings, solve(settings)

    def settings(self, shots: Shots) -> Settings:  # noqa: ARG002 - a head with settings asks
        """The fixed settings."""
        return {}

    def solver(self, shots: Shots) -> Callable[[Settings], F]:
        """From settings to the task's classifier; what does not depend on them is done once."""
        raise NotImplementedError(f"{type(self).__name__}: a head gives solver")

    def keep(self, fitted: Mapping[int, F]) -> None:
        """Write the classifiers of some tasks into the tensors."""
        raise NotImplementedError(f"{type(self).__name__}: a head gives keep")

    @property
    def selects(self) -> str:
        """The settings' names, if they are searched for."""
        searched = getattr(self.options, "search", False)
        return ", ".join(self.grid) if searched else ""

    def _best(self, solve: Callable[[Settings], F], shots: Shots, val: Shots) -> Settings:
        """The settings with the most validation images right; of equals the first, and the fixed
        ones come before the grid's."""

        def right(settings: Settings) -> float:
            best = solve(settings)(val.samples).argmax(dim=1)
            return val.sample_targets.gather(1, best[:, None]).sum().item()

        tried = [dict(zip(self.grid, values)) for values in product(*self.grid.values())]
        return max([self.settings(shots), *tried], key=right)

    def _by_task(self, features: Tensor, labels: Tensor) -> list[Shots]:
        if features.dim() == 2:
            features = features[:, None]
        images, labels = self.tasks.pairs(labels.cpu())
        if labels.dim() > 1 and not self.several_labels and (labels[:, 1:] >= 0).any():
            raise UserError(
                f"{type(self).__name__}: it is fitted to images of one class each, and some of "
                "these have several; leave their data set out, or choose a head that is trained "
                "by cross-entropy (CLAP, TaskRes)"
            )
        device = torch.device("cpu") if self.closed_form else self.device
        dtype = torch.float64 if self.closed_form else torch.float32
        owners = self.tasks.owners(labels)
        if labels.dim() == 1:
            labels = labels[:, None]
        found = []
        for task, columns in enumerate(map(self.tasks.columns, range(len(self.tasks)))):
            mine = owners == task
            own, rows = labels[mine], mine if images is None else images[mine]
            local = torch.where(own >= 0, own - columns.start, own)
            shares = marks(local, self.tasks.sizes[task]).to(device, dtype)
            found.append(
                Shots(
                    features[rows.to(features.device)].to(device, dtype),
                    shares / shares.sum(dim=1, keepdim=True),
                    self.text[columns].to(device, dtype),
                    self.clip.logit_scale.exp().item(),
                )
            )
        return found

    def _refuse_gaps(self, task: int, train: Shots, val: Shots) -> None:
        name = f"{type(self).__name__}: task '{self.tasks[task].name}'"
        if not len(train.features):
            raise UserError(f"{name} has no training images; give it some, or leave the task out")
        if self.selects and not len(val.features):
            raise UserError(
                f"{name} has no validation images to choose {self.selects} on (test images do not "
                "count); give it some, or leave SEARCH off"
            )
