"""Linear probe: logistic regression on CLIP's image features (Radford et al. 2021, section 3.2,
few-shot protocol).

    logits(x) = W x + b,   x = image feature, not normalised
    W, b = argmin  |W|^2 / (2 C) + sum over the task's training images of the cross-entropy

There is one probe per task. C is chosen on validation images: the best of seven powers of ten from
1e-6 to 1e6, then eight steps that halve, in log C, the range from a tenth of it to ten times it
(SoftCPT's and CoOp's lpclip scripts).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.classifier import MethodOptions, normalise, option
from softcpt.prompters.feature_classifier import FeatureClassifier, Labelled
from softcpt.task_results import metric_of
from softcpt.tasks import Task, TaskSet

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Arrays = tuple[np.ndarray, np.ndarray]  # features (n, D) and classes (n,)
LOWEST = -1e30  # below every logit, and unlike -inf one that can be subtracted
COARSE = (6.0, 4.0, 2.0, 0.0, -2.0, -4.0, -6.0)  # log10 C; of equals the first wins


@dataclass
class LinearProbeOptions(MethodOptions):
    """Options of the linear probe; the defaults are the published protocol's."""

    c: float = option(
        0.0, "C, the inverse strength of regularisation; 0: chosen on validation images"
    )
    steps: int = option(8, "halvings of the range of C behind the coarse search")
    max_iter: int = option(1000, "iterations of L-BFGS at most")


class LinearProbe(FeatureClassifier):
    """A linear classifier per task, all in one matrix.

    Attributes:
        weight: (C, D). Of two classes, the one row that scikit-learn gives is halved between them,
            which gives the same probabilities.
        bias: (C,); -inf for a class without training images, which is never predicted.
    """

    Options = LinearProbeOptions
    uses_validation = True

    options: LinearProbeOptions

    def __init__(self, clip: Clip, tasks: TaskSet, options: LinearProbeOptions) -> None:
        super().__init__(clip, tasks, options)
        self.weight = nn.Parameter(
            torch.zeros(tasks.num_classes, clip.embed_dim, device=clip.device)
        )
        self.bias = nn.Parameter(self.no_bias())

    @property
    def selects(self) -> str:
        """C, unless it is given."""
        return "" if self.options.c else "C"

    def image_features(self, features: Tensor) -> Tensor:
        """(B, D) as the tower gives them: not normalised, as published."""
        return features

    def class_embeddings(self) -> Tensor:
        """(C, D) normalised rows of the weight: directions only, the logits need their lengths and
        the bias too."""
        return normalise(self.weight)

    def logits(
        self, features: Tensor, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(B, D) image features, not normalised -> (B, C); of ``tasks`` or ``classes`` (B, C')."""
        columns = self.columns(tasks, classes)
        return features @ self.weight[columns].t() + self.bias[columns]

    def fit_task(self, task: int, train: Labelled, val: Labelled) -> dict[str, float]:
        """Choose C, unless it is given, and set the task's rows."""
        options = self.options
        if not len(val[1]) and not options.c:
            raise UserError(
                f"LinearProbe: task '{self.tasks[task].name}' has no validation images to choose C "
                "on (test images do not count); give it some, or set TRAINER.LINEARPROBE.C "
                "(1.0 is scikit-learn's default)"
            )
        search = _Search(self.tasks[task], _arrays(train), _arrays(val), options.max_iter)
        exponent = math.log10(options.c) if options.c else search.best(options.steps)
        self._set(task, search.fitted(exponent))
        measured = {"validation": search.score(exponent)} if len(val[1]) else {}
        return {"C": 10**exponent, **measured}

    @torch.no_grad()
    def _set(self, task: int, fitted: LogisticRegression | int) -> None:
        columns = self.tasks.columns(task)
        weight = np.zeros(self.weight[columns].shape)
        bias = np.full(self.tasks.sizes[task], -np.inf)
        if isinstance(fitted, int):
            bias[fitted] = 0.0
        elif len(fitted.classes_) == 2:
            half, offset = fitted.coef_[0] / 2, fitted.intercept_[0] / 2
            weight[fitted.classes_], bias[fitted.classes_] = [-half, half], [-offset, offset]
        else:
            weight[fitted.classes_], bias[fitted.classes_] = fitted.coef_, fitted.intercept_
        self.weight[columns] = torch.from_numpy(weight).to(self.weight)
        self.bias[columns] = torch.from_numpy(bias).to(self.bias)


def _arrays(labelled: Labelled) -> Arrays:
    """In float64, as published."""
    features, labels = labelled
    return features.double().numpy(), labels.numpy()


def _logits(fitted: LogisticRegression | int, features: np.ndarray, classes: int) -> np.ndarray:
    """(n, classes) of what is fitted; very low for a class without training images."""
    logits = np.full((len(features), classes), LOWEST)
    if isinstance(fitted, int):
        logits[:, fitted] = 0
        return logits
    scores = fitted.decision_function(features)
    if scores.ndim == 1:  # two classes, of which it gives the second
        scores = np.stack([-scores / 2, scores / 2], axis=1)
    logits[:, fitted.classes_] = scores
    return logits


class _Search:
    """The search for one task's C; each C is fitted once."""

    def __init__(self, task: Task, train: Arrays, val: Arrays, max_iter: int) -> None:
        self.task, self.train, self.val, self.max_iter = task, train, val, max_iter
        self._fits: dict[float, LogisticRegression | int] = {}
        self._scores: dict[float, float] = {}

    def fitted(self, exponent: float) -> LogisticRegression | int:
        """The regression at C = 10^exponent; the class itself if the task's training images are all
        of one."""
        features, labels = self.train
        if len(np.unique(labels)) == 1:
            return int(labels[0])
        if exponent not in self._fits:
            # Slow to import, and every command would pay for it.
            from sklearn.exceptions import ConvergenceWarning
            from sklearn.linear_model import LogisticRegression

            regression = LogisticRegression(C=10**exponent, max_iter=self.max_iter)
            with warnings.catch_warnings():
                # A large C often stops at max_iter, as published; validation judges it.
                warnings.simplefilter("ignore", ConvergenceWarning)
                self._fits[exponent] = regression.fit(features, labels)
        return self._fits[exponent]

    def score(self, exponent: float) -> float:
        """The task's metric on its validation images."""
        if exponent not in self._scores:
            features, labels = self.val
            logits = _logits(self.fitted(exponent), features, len(self.task.class_names))
            self._scores[exponent] = metric_of(
                self.task, torch.from_numpy(logits), torch.from_numpy(labels)
            )
        return self._scores[exponent]

    def best(self, steps: int) -> float:
        """log10 of the C that the protocol ends with: the better end of the last step's range; of
        equals the lower."""
        peak = max(COARSE, key=self.score)
        left, right = peak - 1, peak + 1
        for _ in range(steps):
            middle = (left + right) / 2
            if self.score(left) < self.score(right):
                peak, left = right, middle
            else:
                peak, right = left, middle
        return peak
