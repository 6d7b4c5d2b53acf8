"""Image features at hand, in place of images: what a method can be trained on as well."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.errors import UserError
from softcpt.tasks import TaskSet


@dataclass(frozen=True)
class FeatureData:
    """Features of the training images of tasks, and of validation images.

    Args:
        tasks: the tasks.
        features: (N, D) as the backbone's image tower gives them, normalised or not; or (N, V, D):
            V views of every image. A method that learns step by step takes view e mod V in epoch
            e; one that is fitted at once takes the first for the clean image.
        labels: (N,) global classes (:class:`softcpt.TaskSet`); (N, K) where an image has several,
            of one task or of several, and -1 for none: a column per task, for instance.
        val_features: (M, D) of validation images, for methods that use them.
        val_labels: (M,) theirs.

    Raises:
        UserError: shapes do not fit, or a label is no class.

    Example:
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> data = softcpt.FeatureData(tasks, torch.randn(8, 256), torch.arange(8) % 2)
        >>> data.features.shape
        torch.Size([8, 256])
    """

    tasks: TaskSet
    features: Tensor
    labels: Tensor
    val_features: Tensor | None = None
    val_labels: Tensor | None = None

    def __post_init__(self) -> None:
        _check("", self.features, self.labels, self.tasks.num_classes, (2, 3))
        if (self.val_features is None) != (self.val_labels is None):
            raise UserError("FeatureData: give val_features and val_labels together")
        if self.val_features is not None and self.val_labels is not None:
            _check("val_", self.val_features, self.val_labels, self.tasks.num_classes, (2,))


def _check(
    part: str, features: Tensor, labels: Tensor, classes: int, dimensions: tuple[int, ...]
) -> None:
    if features.dim() not in dimensions or not torch.is_floating_point(features):
        shapes = " or ".join({2: "(N, D)", 3: "(N, V, D)"}[each] for each in dimensions)
        raise UserError(
            f"FeatureData: {part}features are {tuple(features.shape)} of {features.dtype}; give "
            f"floating-point numbers {shapes}"
        )
    if labels.dtype != torch.long or labels.dim() not in (1, 2) or len(labels) != len(features):
        raise UserError(
            f"FeatureData: {part}labels are {tuple(labels.shape)} of {labels.dtype} for "
            f"{len(features)} images; give torch.long (N,) or (N, K)"
        )
    best = labels if labels.dim() == 1 else labels.amax(dim=1)
    if len(labels) and (best.min() < 0 or labels.max() >= classes):
        raise UserError(
            f"FeatureData: {part}labels go from {int(best.min())} to {int(labels.max())}, and the "
            f"tasks have classes 0 to {classes - 1}; labels are global, see TaskSet.to_global"
        )
