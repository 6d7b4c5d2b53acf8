"""The multi-task evaluator, under the name that the reference's configs give it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from dassl.evaluation import EVALUATOR_REGISTRY
from torch import Tensor

from softcpt.ranking import Ranked
from softcpt.task_results import Tally, TaskResult, overall, print_results
from softcpt.tasks import Task, TaskSet
from softcpt.utils.console import show_messages

# Names of evaluators that count as this one does: trainers of this project count for themselves.
OWN_EVALUATORS = ("Classification", "ClassificationMT")


@EVALUATOR_REGISTRY.register()
class ClassificationMT:
    """Counts each image in its own task only; without ``tasks`` all classes are one task.

    ``evaluate`` prints the lines that the field's parsers read, and returns the overall metric
    (mean over tasks) first.
    """

    def __init__(
        self,
        cfg: Any,
        lab2cname: Mapping[int, str] | None = None,
        tasks: TaskSet | None = None,
        **_: Any,
    ) -> None:
        show_messages()  # the lines that result parsers read
        self.per_task = cfg.TEST.PER_TASK_RESULT
        self.tasks = tasks or _one_task(cfg.DATASET.NAME, lab2cname or {})
        self.results: list[TaskResult] = []
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        self._tally = Tally(self.tasks)

    def process(self, mo: Tensor, gt: Tensor) -> None:
        """Add logits (B, C) and global labels (B,) or (B, K)."""
        self._tally.add(mo, gt)

    def ranked(self) -> Ranked:
        """The best classes of all images added, in their order."""
        return self._tally.ranked()

    def evaluate(self) -> OrderedDict[str, float]:
        """Print and return the figures over all images added, in percent."""
        self.results = self._tally.results()
        print_results(self.results, self.per_task and len(self.tasks) > 1)
        return OrderedDict(overall(self.results))


def _one_task(name: str, lab2cname: Mapping[int, str]) -> TaskSet:
    """All classes of a data set as one task."""
    classes = tuple(lab2cname[label] for label in sorted(lab2cname))
    return TaskSet([Task(name or "task", classes)])
