"""Defines tasks, their classes, and what a multi-task loss and accuracy are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from softcpt.errors import UserError
from softcpt.metrics import METRICS
from softcpt.utils.label_pairs import image_task_pairs
from softcpt.utils.sending import on_host, send
from softcpt.utils.supersets import FAR, Owners, Superset, refuse_superset, running_sizes


@dataclass(frozen=True)
class Task:
    """One classification task.

    Attributes:
        name: what the task is, in words; SoftCPT turns it into the task's context ("flowers").
        class_names: class names in label order.
        metric: a name in :data:`softcpt.metrics.METRICS`: "accuracy" (share of test images that
            are right), "mean_per_class" (mean of the classes' recalls), "map11" (11-point
            interpolated average precision, mean over classes: images may have several classes), or
            "roc_auc" (area under the ROC curve, of two classes).
        template: prompt for zero-shot classification, with {} for the class name.
        description: what the task is, at more length ("classify pictures of flowers into 102
            kinds"); SoftCPT can read it in place of the name.
        values: of an ordinal task the number that each class stands for, an age or a rank; its mean
            absolute error is measured beside its metric. None: the classes have no order.

    Raises:
        UserError: it has no classes, the metric is unknown or of another number of classes, the
            template has no {}, or there are not as many finite values as classes.

    Example:
        >>> flowers = softcpt.Task("flowers", ["rose", "tulip"])
        >>> flowers.class_names
        ('rose', 'tulip')
        >>> flowers.prompt("rose")
        'a photo of a rose.'
    """

    name: str
    class_names: tuple[str, ...]
    metric: str = "accuracy"
    template: str = "a photo of a {}."
    description: str = ""
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", tuple(self.class_names))
        object.__setattr__(self, "values", tuple(map(float, self.values)))
        if not self.class_names:
            raise UserError(f"task '{self.name}': it has no classes; give at least one class name")
        if self.metric not in METRICS:
            raise UserError(
                f"task '{self.name}': unknown metric '{self.metric}'; choose from "
                f"{', '.join(METRICS)}"
            )
        needed = METRICS[self.metric].num_classes
        if needed not in (None, len(self.class_names)):
            raise UserError(
                f"task '{self.name}': metric {self.metric} is of {needed} classes, and there are "
                f"{len(self.class_names)}; choose another"
            )
        if "{}" not in self.template:
            raise UserError(
                f"task '{self.name}': template '{self.template}' has no {{}} for the class name; "
                "add it"
            )
        try:
            self.template.format("")
        except (AttributeError, IndexError, KeyError, ValueError):
            raise UserError(
                f"task '{self.name}': template '{self.template}' has other braces than one {{}}; "
                "leave them out, or write {{ and }}"
            ) from None
        finite = sum(map(math.isfinite, self.values))
        if self.values and not finite == len(self.values) == len(self.class_names):
            raise UserError(
                f"task '{self.name}': {finite} finite values for {len(self.class_names)} classes; "
                "give one for each"
            )

    def with_classes(self, class_names: Sequence[str]) -> Task:
        """The same task with ``class_names``. Those that it had keep their values; with one that
        has none, and whose name is no number, it is ordinal no more."""
        known = dict(zip(self.class_names, self.values))
        found = [known.get(name, number(name)) for name in class_names]
        values = tuple(value for value in found if value is not None)
        whole = self.values and len(values) == len(class_names)
        return replace(self, class_names=tuple(class_names), values=values if whole else ())

    def prompt(self, class_name: str) -> str:
        """``class_name`` in the template, as zero-shot CLIP reads it: underscores are blanks."""
        return self.template.format(class_name.replace("_", " "))


class TaskSet:
    """An ordered set of tasks. A *global class index* counts the classes of all tasks in order:
    (task, local class).

    Wherever labels (B,) are taken, (B, K) may be given for images of which some have several
    classes: a row holds an image's global class indices and -1 for none. Classes of one task share
    its target equally. With classes of several tasks an image counts once for each of them, exactly
    as if it stood in the batch once per task (:meth:`pairs`): losses are means over pairs of an
    image and a task.

    Args:
        tasks: one or more tasks, names unique.

    Raises:
        UserError: for no task, or two of the same name.

    Example:
        >>> flowers = softcpt.Task("flowers", ["rose", "tulip"])
        >>> tasks = softcpt.TaskSet([flowers, softcpt.Task("pets", ["cat", "dog"])])
        >>> tasks.class_names
        ('rose', 'tulip', 'cat', 'dog')
        >>> tasks.to_local(3)  # class 1 of task 1: a dog
        (1, 1)
        >>> logits, labels = torch.tensor([[9.0, 1.0, 2.0, 3.0]]), torch.tensor([3])
        >>> tasks.predict(logits, labels)  # the best class of the image's own task
        tensor([3])
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)
        times = Counter(task.name for task in self.tasks)
        twice = sorted(name for name, count in times.items() if count > 1)
        if not times or twice:
            raise UserError(
                "task set: "
                f"{'task names given twice: ' + ', '.join(twice) if twice else 'no tasks'}; "
                "give one or more tasks with names of their own"
            )
        self.sizes = tuple(len(task.class_names) for task in self.tasks)
        self.offsets = (0, *accumulate(self.sizes[:-1]))
        self._on_devices: dict[torch.device, Tensor] = {}

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    def __getitem__(self, index: int) -> Task:
        return self.tasks[index]

    @cached_property
    def num_classes(self) -> int:
        """C: classes of all tasks."""
        return sum(self.sizes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Task names."""
        return tuple(task.name for task in self.tasks)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """(C,) class names of all tasks in order of their global index."""
        return tuple(name for task in self.tasks for name in task.class_names)

    @cached_property
    def task_of_class(self) -> Tensor:
        """(C,) task index of each global class index."""
        return torch.repeat_interleave(torch.arange(len(self)), torch.tensor(self.sizes))

    @cached_property
    def _classes(self) -> tuple[Tensor, ...]:
        """Of each task the global indices of its classes."""
        ranges: tuple[Tensor, ...] = torch.arange(self.num_classes).split(self.sizes)
        return ranges

    @cached_property
    def _of_tasks(self) -> Owners:
        return Owners(torch.arange(len(self)))

    @cached_property
    def _of_classes(self) -> Owners:
        return Owners(self.task_of_class, growth=FAR)  # columns of the logits

    def _task_of_class_on(self, device: torch.device) -> Tensor:
        if device not in self._on_devices:
            self._on_devices[device] = send(self.task_of_class, device)
        return self._on_devices[device]

    def to_global(self, task: int, label: int) -> int:
        """Global class index of the class ``label`` (counted from 0) of the task ``task``."""
        return self.offsets[task] + label

    def to_local(self, label: int) -> tuple[int, int]:
        """(task, class inside the task) of the global class index ``label``."""
        task = int(self.task_of_class[label])
        return task, label - self.offsets[task]

    def columns(self, task: int) -> slice:
        """Where the task's classes stand among all C."""
        return slice(self.offsets[task], self.offsets[task] + self.sizes[task])

    def pairs(self, labels: Tensor) -> tuple[Tensor | None, Tensor]:
        """Of ``labels`` (B,) or (B, K) a row for each image and task that has a label, image by
        image: the images (P,), None where each has one task; and labels (P,) or (P, K'), those of
        one task each."""
        return image_task_pairs(labels, self.task_of_class)

    def of_pairs(self, rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """``rows`` (B, ...) of images and their labels, as those of :meth:`pairs` (P, ...)."""
        images, labels = self.pairs(labels)
        return (rows if images is None else rows[images.to(rows.device)]), labels

    def owners(self, labels: Tensor) -> Tensor:
        """(B,) task of each image, of several tasks (P,) of each of :meth:`pairs`; on the labels'
        device."""
        return self._task_of_class_on(labels.device)[first(self.pairs(labels)[1])]

    def members(self, labels: Tensor) -> Tensor:
        """(B, T) whether each image of ``labels`` (B,) or (B, K) has a label of each task, on the
        CPU."""
        return marks(self.of_labels(labels), len(self))

    def of_labels(self, labels: Tensor) -> Tensor:
        """(B, K) the task of each label of ``labels`` (B,) or (B, K), -1 for none, on the CPU."""
        known = on_host(labels).reshape(len(labels), -1)
        return self.task_of_class[known.clamp(min=0)].masked_fill(known < 0, -1)

    def first_of(self, labels: Tensor) -> Tensor:
        """(B,) the first task of each image of ``labels`` (B,) or (B, K), on the CPU."""
        tasks = self.of_labels(labels)
        return tasks.masked_fill(tasks < 0, len(self)).amin(dim=1)

    def present(self, labels: Tensor) -> list[int]:
        """The tasks that ``labels`` (B,) or (B, K) belong to, ascending."""
        refuse_superset("it asks on the host which tasks its labels belong to")
        known = on_host(labels, tasks_only=True)
        tasks: list[int] = torch.unique(self.owners(known)).tolist()
        return tasks

    def of_batch(self, labels: Tensor) -> tuple[Sequence[int], Tensor]:
        """What a training step is about: the tasks that ``labels`` (B,) or (B, K) belong to, and
        their classes, as :meth:`chosen` gives them. In a captured step others may be among them
        (softcpt/utils/supersets.py), of which :meth:`restrict` takes no notice."""
        sizes = running_sizes()
        if sizes is None:
            return self.chosen(self.present(labels))
        tasks = self._task_of_class_on(labels.device)[labels.clamp(min=0)].masked_fill(
            labels < 0, -1
        )
        return self.chosen(Superset(marks(tasks.view(1, -1), len(self))[0], self._of_tasks, sizes))

    def mean_of_batch(self, values: Tensor, tasks: Sequence[int], classes: Tensor) -> Tensor:
        """The mean of ``values`` (C',) over the ``classes`` (C',) of those of the ``tasks`` that
        have a label: what :meth:`of_batch` gave may have more."""
        if not isinstance(tasks, Superset):
            return values.mean()
        there = tasks.present[self._task_of_class_on(classes.device)[classes]]
        return values.masked_fill(~there, 0).sum() / there.sum()

    def classes_of(self, tasks: Sequence[int]) -> Tensor:
        """(C',) global indices of the classes of ``tasks``, ascending."""
        return torch.cat([self._classes[task] for task in sorted(tasks)])

    def mean_of_classes(self, values: Tensor) -> Tensor:
        """(T, ...) the mean over each task's classes of ``values`` (C, ...)."""
        return torch.stack([values[self.columns(task)].mean(dim=0) for task in range(len(self))])

    def described(self, description: str) -> TaskSet:
        """The same with ``description``, for a single task.

        Raises:
            UserError: there are several.
        """
        if len(self) > 1:
            raise UserError(
                f"task description '{description}': there are {len(self)} tasks; put a "
                "task_desc.txt into "
                "each one's folder, or choose one with DATASET.SUBSAMPLE_TASKS"
            )
        return TaskSet([replace(self.tasks[0], description=description)])

    def chosen(
        self, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> tuple[Sequence[int], Tensor]:
        """(tasks, classes), both ascending: all, or ``tasks`` and their classes, or ``classes`` and
        their tasks."""
        if isinstance(tasks, Superset):
            return tasks, tasks.pick(self._of_classes).indices
        if classes is not None:
            return self.present(classes), classes
        tasks = list(range(len(self))) if tasks is None else sorted(tasks)
        return tasks, self.classes_of(tasks)

    def sample_classes(self, labels: Tensor, rate: float) -> Tensor:
        """(C',) ascending global indices: the classes of ``labels`` (B,), and some others of each
        of their tasks.

        Of a task's n other classes ceil(rate * n) are drawn, from torch's global generator on the
        CPU.
        """
        positive = torch.unique(on_host(labels))
        positive = positive[positive >= 0]
        kept = [positive]
        tasks, counts = torch.unique_consecutive(self.task_of_class[positive], return_counts=True)
        for task, own in zip(tasks.tolist(), positive.split(counts.tolist())):
            columns = self._classes[task]
            others = columns[~torch.isin(columns, own)]
            kept.append(others[torch.randperm(len(others))[: math.ceil(rate * len(others))]])
        return torch.cat(kept).sort().values

    def restrict(
        self, logits: Tensor, labels: Tensor, classes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, C') with the columns of other tasks than the image's own at -inf, and the
        labels' columns.

        Args:
            logits: (B, C').
            labels: (B,) global class indices; columns are (B,) then. Of (B, K) they are marks (B,
                C'), see :func:`marks`.
            classes: (C',) ascending global class index of each column; None: all C.

        Returns:
            Logits (B, C') and targets: columns (B,), or marks (B, C'). Of images with several tasks
            a row for each of :meth:`pairs`.
        """
        logits, labels = self.of_pairs(logits, labels)
        task_of_class = self._task_of_class_on(labels.device)
        if classes is None:
            task_of_column, targets = task_of_class, labels
        else:
            classes = send(classes, labels.device)
            task_of_column, targets = task_of_class[classes], torch.searchsorted(classes, labels)
        if labels.dim() > 1:
            targets = marks(targets.masked_fill(labels < 0, -1), len(task_of_column))
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        foreign = task_of_column[None, :] != self.owners(labels)[:, None]
        return logits.masked_fill(foreign, -torch.inf), targets

    def joint(self, labels: Tensor) -> Tensor:
        """What :func:`cross_entropy` over the classes of all tasks takes: ``labels`` (B,), or of
        (B, K) marks (B, C); of images of one task each (:meth:`of_pairs`)."""
        return labels if labels.dim() == 1 else marks(labels, self.num_classes)

    def loss(self, logits: Tensor, labels: Tensor, classes: Tensor | None = None) -> Tensor:
        """The multi-task loss (SoftCPT, Eq. 8): cross-entropy inside each image's own task, mean
        over the batch.

        L = 1/P * sum over tasks t, images i of t: CE(logits_i restricted to the classes of t,
        label_i), P pairs (i, t) in all. Every pair has the same weight; a task weighs what it has
        in the batch. An image of several classes of a task has the same share of each as its
        target.

        Args:
            logits: (B, C').
            labels: (B,) or (B, K) global class indices.
            classes: (C',) ascending global class index of each column; None: all C.

        Returns:
            The loss, 0-dim.
        """
        return cross_entropy(*self.restrict(logits, labels, classes))

    def predict(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B,) global class index of the best class inside each image's own task, from ``logits``
        (B, C); a label of ``labels`` (B,) says only which task that is. Of images with several
        tasks (P,), one for each of :meth:`pairs`."""
        return self.restrict(logits, labels)[0].argmax(dim=1)


def number(name: str) -> float | None:
    """The finite number that a class's name is; None: it is none."""
    try:
        value = float(name)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def padded(several: Sequence[Sequence[int]]) -> Tensor:
    """(N,) labels; (N, K) with -1 behind an image's own where one has ``several``."""
    most = max(map(len, several), default=1)
    if most == 1:
        return torch.tensor([labels[0] for labels in several])
    return torch.tensor([(*labels, *[-1] * (most - len(labels))) for labels in several])


def first(labels: Tensor) -> Tensor:
    """(B,) the first label of each image, of (B,) or (B, K)."""
    return labels if labels.dim() == 1 else labels[:, 0]


def marks(columns: Tensor, count: int) -> Tensor:
    """(B, ``count``) which columns are an image's, of their numbers (B, K) and -1 for none."""
    marked = torch.zeros(len(columns), count + 1, dtype=torch.bool, device=columns.device)
    return marked.scatter_(1, columns.masked_fill(columns < 0, count), True)[:, :count]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of logits (B, C), -inf where a class does not count, and columns (B,) or
    marks (B, C).

    The marked classes of an image have equal shares of its target, as in MVLPT's published code.
    """
    if targets.dim() == 1:
        return F.cross_entropy(logits, targets)
    return image_losses(logits, targets).mean()


def image_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """(B,) the cross-entropy of every image, of which :func:`cross_entropy` is the mean."""
    if targets.dim() == 1:
        return F.cross_entropy(logits, targets, reduction="none")
    # Filled rather than multiplied: 0 times infinity would be no number.
    surprise = -F.log_softmax(logits, dim=1).masked_fill(~targets, 0)
    return surprise.sum(dim=1) / targets.sum(dim=1)


def hits(logits: Tensor, targets: Tensor) -> Tensor:
    """(B,) whether the best of logits (B, C) is the column (B,), or marked (B, C)."""
    best = logits.detach().argmax(dim=1)
    return best == targets if targets.dim() == 1 else targets.gather(1, best[:, None])[:, 0]
