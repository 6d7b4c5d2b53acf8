"""The metrics that a task can be measured by, each a function of its test images.

An image of several classes counts as one of the class predicted if that is among them, else as one
of its first: with that, accuracy, mean per-class accuracy and macro-F1 are what they are for images
of one class.

A new metric is a function here and an entry of :data:`METRICS`: tasks take it by that name, tests
keep the logits that it needs, and results.json has its figure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softcpt.errors import UserError


@dataclass(frozen=True)
class TestedImages:
    """A task's n test images, as a metric sees them. Classes are counted inside the task.

    Attributes:
        task: the task's name.
        class_names: the names of its C' classes.
        predictions: (n,) the class that was predicted.
        truths: (n,) the class that an image counts as, see above.
        labels: (n, K) all classes of an image, then -1.
        logits: (n, C') fp32, of a metric with ``needs_logits`` or an ordinal task; of others None.
        values: the number that each class of an ordinal task stands for; of others none.
    """

    __test__ = False  # no test case, whatever its name says to pytest

    task: str
    class_names: tuple[str, ...]
    predictions: NDArray[np.int64]
    truths: NDArray[np.int64]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32] | None = None
    values: tuple[float, ...] = ()

    def scores(self) -> NDArray[np.float32]:
        """(n, C') the logits of a metric that needs them.

        Raises:
            ValueError: they were not kept, for the metric's entry does not say ``needs_logits``.
        """
        if self.logits is None:
            raise ValueError(
                f"task '{self.task}': no logits; its metric's entry in METRICS lacks needs_logits"
            )
        return self.logits


@dataclass(frozen=True)
class Metric:
    """How a task is measured.

    Attributes:
        figure: of a task's test images, in percent; larger is better.
        needs_logits: whether predictions are not enough, as for metrics that rank images.
        num_classes: of the tasks that it is defined for; None: any number.
    """

    figure: Callable[[TestedImages], float]
    needs_logits: bool = False
    num_classes: int | None = None


def accuracy(images: TestedImages) -> float:
    """Share of the images that are right."""
    return 100 * float((images.truths == images.predictions).mean())


def mean_per_class(images: TestedImages) -> float:
    """Mean recall of the classes that have test images."""
    right, true, _ = _of_classes(images)
    return 100 * float(np.mean(right / true))


def macro_f1(images: TestedImages) -> float:
    """Mean F1 of the classes that have test images."""
    right, true, predicted = _of_classes(images)
    return 100 * float(np.mean(2 * right / (true + predicted)))


def _of_classes(images: TestedImages) -> tuple[NDArray[np.int64], ...]:
    """Of each class that has test images, how many of these are right, how many there are, and how
    many images were taken for it."""
    size = len(images.class_names)
    right = images.truths[images.truths == images.predictions]
    true = np.bincount(images.truths, minlength=size)
    present = np.flatnonzero(true)
    predicted = np.bincount(images.predictions, minlength=size)
    return np.bincount(right, minlength=size)[present], true[present], predicted[present]


def in_top_5(best: NDArray[np.integer], labels: NDArray[np.integer]) -> float:
    """Share of the images that have a class among their five best, or fewer, in percent.

    Args:
        best: (n, 5) classes, the best first, -1 where a task has no more.
        labels: (n, K) all classes of an image, then -1.
    """
    known = np.where(labels < 0, -2, labels)  # so that no class does not equal no label
    return 100 * float((best[:, :, None] == known[:, None, :]).any(axis=(1, 2)).mean())


def chance(labels: NDArray[np.integer], num_classes: int) -> float:
    """Accuracy in percent of guessing each of ``num_classes`` classes equally often, of all classes
    (n, K) of n images, then -1."""
    return 100 * float((labels >= 0).sum(axis=1).mean()) / num_classes


CALIBRATION_BINS = 15


def calibration_error(confidences: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Expected calibration error in percent (Guo et al., ICML 2017, arXiv 1706.04599): the mean
    distance between confidence and accuracy over 15 bins of confidence, weighted by their images.

    Bin m holds confidences in (m / 15, (m + 1) / 15].

    Args:
        confidences: (n,) the probability of the class predicted.
        right: (n,) whether it is the image's.
    """
    edges = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    bins = np.digitize(confidences, edges, right=True)
    gaps = np.bincount(
        bins, weights=confidences.astype(np.float64) - right, minlength=CALIBRATION_BINS
    )
    return 100 * float(np.abs(gaps).sum() / len(right))


def map11(images: TestedImages) -> float:
    """11-point interpolated average precision, mean over the classes that have test images.

    Of class c with logits s_c: precision of the images with s_c >= s at recall r, at most over all
    thresholds s that reach r; mean over r = 0, 0.1, ..., 1 (PASCAL VOC 2007).
    """
    scores = images.scores()
    positive = np.zeros(scores.shape, dtype=bool)
    for column in images.labels.T:
        given = np.flatnonzero(column >= 0)
        positive[given, column[given]] = True
    present = np.flatnonzero(positive.any(axis=0))
    return 100 * float(
        np.mean([average_precision_11(scores[:, c], positive[:, c]) for c in present])
    )


def average_precision_11(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """11-point interpolated average precision, 0 to 1, of scores (n,) and which images are positive
    (n,), one or more.

    Images of equal score count together, so their order does not matter.
    """
    order = np.argsort(-scores, kind="stable")
    # The last image of every score.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = np.cumsum(positive[order])[ends]
    precision, total = found / (ends + 1), found[-1]
    # recall >= i / 10, in whole numbers
    return float(np.mean([precision[10 * found >= i * total].max() for i in range(11)]))


def roc_auc(images: TestedImages) -> float:
    """Area under the ROC curve of s_1 - s_0, which ranks as the second class's probability does.

    Raises:
        UserError: all images are of one class.
    """
    # Here, not at the top: a run without such a task starts a second earlier.
    from sklearn.metrics import roc_auc_score

    scores, labels = images.scores(), images.labels[:, 0]
    if len(np.unique(labels)) < 2:
        raise UserError(
            f"task '{images.task}': metric roc_auc needs images of both classes, and all are of "
            f"'{images.class_names[labels[0]]}'; choose accuracy (DATASET.METRICS) or other images"
        )
    return 100 * float(roc_auc_score(labels, scores[:, 1] - scores[:, 0]))


def mean_absolute_error(images: TestedImages) -> float:
    """Of an ordinal task, in its classes' units: mean |E - v| over images, E the expected value of
    softmax(logits) over the classes' values and v that of the image's class (its first); smaller is
    better."""
    values = np.array(images.values)
    expected = expected_values(images.scores(), images.values)
    return float(np.abs(expected - values[images.labels[:, 0]]).mean())


def expected_values(logits: NDArray[np.floating], values: Sequence[float]) -> NDArray[np.float64]:
    """(n,) sum over classes of softmax(logits)_c v_c, of logits (n, C') and values v (C',)."""
    own = logits.astype(np.float64)
    weights = np.exp(own - own.max(axis=1, keepdims=True))
    expected: NDArray[np.float64] = (weights @ np.array(values)) / weights.sum(axis=1)
    return expected


METRICS = {
    "accuracy": Metric(accuracy),
    "mean_per_class": Metric(mean_per_class),
    "map11": Metric(map11, needs_logits=True),
    "roc_auc": Metric(roc_auc, needs_logits=True, num_classes=2),
}
