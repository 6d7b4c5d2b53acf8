"""What methods share that are fitted to image features at once: classifiers without class names,
one per task."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from softcpt.errors import UserError
from softcpt.prompters.classifier import TaskClassifier
from softcpt.tasks import first
from softcpt.utils.sending import send

Labelled = tuple[Tensor, Tensor]  # features (n, D) and classes (n,)


class FeatureClassifier(TaskClassifier):
    """Zero until :meth:`fit` or a loaded state sets it. A method gives ``logits``, :meth:`fit_task`
    and what it keeps.

    Args:
        clip: the frozen model.
        tasks: the tasks whose classes are distinguished.
        options: the method's options, an instance of its ``Options``.

    Attributes:
        uses_validation: whether :meth:`fit` takes validation images even if it chooses nothing.
        several_labels: whether it can be fitted to images of several classes.
        augmented: whether it is fitted to augmented views (N, V, D) beside the clean image.

    Example:
        >>> clip = softcpt.load_clip("tiny")
        >>> tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
        >>> head = softcpt.build_method("ProtoNet", clip, tasks)
        >>> features, labels = torch.eye(2, clip.embed_dim), torch.tensor([0, 1])
        >>> _ = head.fit(head.image_features(features), labels)
        >>> head.logits(features.to(head.device)).argmax(dim=1).tolist()
        [0, 1]
    """

    uses_validation: bool = False
    several_labels: bool = False
    augmented: bool = False

    @property
    def all_at_once(self) -> bool:
        """Whether all tasks should be fitted in one call of :meth:`fit`, since it takes seconds."""
        return False

    @property
    def selects(self) -> str:
        """What :meth:`fit` chooses on validation images, as :meth:`fit_task` calls it; "":
        nothing."""
        return ""

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
            features: (N, D) of the training images, as :meth:`image_features` gives them.
            labels: (N,) their global classes; of images with several tasks (N, K) and -1 for none
                (:class:`softcpt.TaskSet`).
            val_features: the same of validation images, where the method uses them.
            val_labels: their global classes.
            tasks: which tasks.

        Returns:
            By task name what was chosen and measured, to be shown.

        Raises:
            UserError: a task has no training images, or no validation images and needs them.
        """
        if val_features is None or val_labels is None:
            val_features, val_labels = features[:0], labels[:0]
        report = {}
        for index in range(len(self.tasks)) if tasks is None else tasks:
            train = self._of_task(index, features, labels)
            val = self._of_task(index, val_features, val_labels)
            if not len(train[1]):
                raise UserError(
                    f"{type(self).__name__}: task '{self.tasks[index].name}' has no training "
                    "images; give it some, or leave the task out"
                )
            report[self.tasks[index].name] = self.fit_task(index, train, val)
        return report

    def fit_task(self, task: int, train: Labelled, val: Labelled) -> dict[str, float]:
        """Fit the task ``task`` to its images, ``train`` and ``val``: features (n, D) and classes
        (n,), counted from 0 here; returns what is to be shown."""
        raise NotImplementedError(f"{type(self).__name__}: a method gives fit_task")

    def _of_task(self, task: int, features: Tensor, labels: Tensor) -> Labelled:
        images, labels = self.tasks.pairs(labels.cpu())
        if labels.dim() > 1 and (labels[:, 1:] >= 0).any():
            raise UserError(
                f"{type(self).__name__}: it is fitted to images of one class each, and some of "
                "these have several of one task; leave their data set out"
            )
        labels = first(labels)
        mine = self.tasks.owners(labels) == task
        rows = mine if images is None else images[mine]
        return features.cpu()[rows], labels[mine] - self.tasks.offsets[task]

    def columns(self, tasks: Sequence[int] | None = None, classes: Tensor | None = None) -> Tensor:
        """(C',) global indices of the classes of ``tasks`` (None: all) or ``classes``, on the
        device."""
        return send(self.tasks.chosen(tasks, classes)[1], self.device)

    def rows(self, name: str) -> str:  # noqa: ARG002 - it is so of all
        """Every tensor has a row for every class."""
        return "class"

    def no_bias(self) -> Tensor:
        """(C,) zeros, to be set to -inf for classes without training images: these are never
        predicted."""
        return torch.zeros(self.tasks.num_classes, device=self.device)
