"""The settings ``MULTITASK.*``: which balance of tasks a run asks for, and where there is none."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Any

from yacs.config import CfgNode

from softcpt.errors import UserError
from softcpt.prompters import FeatureClassifier, TaskClassifier
from softcpt.tasks import TaskSet
from softcpt.utils.kinds import is_kind
from softcpt.utils.suggest import near_and_all


@dataclass(frozen=True)
class BalanceSettings:
    """What softcpt/engine/task_balance.py does; the defaults are the mean over images.

    Attributes:
        shares: images: a task counts with its images in the batch; tasks: all that have some count
            alike.
        weights: one number for each task in their order, or texts "task=2" for some of them.
        weighting: none, running_mean or uncertainty.
        mean_factor: d of running_mean.
        gradients: sum or pcgrad.
    """

    shares: str = "images"
    weights: tuple[Any, ...] = ()
    weighting: str = "none"
    mean_factor: float = 0.9
    gradients: str = "sum"

    @classmethod
    def of(cls, cfg: CfgNode) -> BalanceSettings:
        """Those of a configuration."""
        node = cfg.MULTITASK
        weights = tuple(node.WEIGHTS)
        return cls(node.SHARES, weights, node.WEIGHTING, node.MEAN_FACTOR, node.GRADIENTS)

    @property
    def asked(self) -> bool:
        """Whether they are anything else than the mean over images."""
        return self != BalanceSettings(mean_factor=self.mean_factor)

    def refuse(self, method: TaskClassifier) -> None:
        """Refuse what has no meaning for ``method``.

        Raises:
            UserError: it is fitted without steps, trains nothing, has one task, has a loss of its
                own that cannot be balanced, or tasks whose gradients cannot be in conflict.
        """
        name, tasks = type(method).__name__, method.tasks
        remedy = "leave the MULTITASK settings out"
        if isinstance(method, FeatureClassifier):
            raise UserError(
                f"MULTITASK: {name} is fitted without a loss over several tasks; {remedy}"
            )
        if not any(True for _ in method.parameters()):
            raise UserError(f"MULTITASK: {name} trains nothing; {remedy}")
        if len(tasks) == 1:
            raise UserError(
                f"MULTITASK: there is a single task, {tasks.names[0]}, and nothing to balance; "
                f"{remedy}"
            )
        if "combine" not in inspect.signature(method.loss).parameters:
            raise UserError(
                f"MULTITASK: the loss of {name} takes no combine; give it that argument "
                "(docs/balance.md), or leave the settings out"
            )
        if self.gradients == "pcgrad" and not method.shares_parameters:
            raise UserError(
                f"MULTITASK.GRADIENTS is pcgrad: {name} has parameters of their own for every "
                "task, so that no gradients conflict; choose sum, or a method that shares some "
                "(CoOp-MT, SoftCPT)"
            )

    def weights_of(self, tasks: TaskSet) -> list[float]:
        """w_t of every task.

        Raises:
            UserError: a weight is no number of 0 or more, or all are 0; a task is unknown, or their
                number is another.
        """
        weights = self._by_name(tasks) if self._named else self._in_order(tasks)
        wrong = [one for one in weights if not (math.isfinite(one) and one >= 0)]
        if wrong or not any(weights):
            what = f"a weight is {wrong[0]}" if wrong else "all weights are 0"
            raise UserError(f"MULTITASK.WEIGHTS: {what}; give numbers of 0 or more")
        return weights

    @property
    def _named(self) -> bool:
        return any(isinstance(one, str) for one in self.weights)

    def _in_order(self, tasks: TaskSet) -> list[float]:
        if not self.weights:
            return [1.0] * len(tasks)
        if len(self.weights) != len(tasks):
            raise UserError(
                f"MULTITASK.WEIGHTS: {len(self.weights)} weights for {len(tasks)} tasks; give one "
                "for each, or 'task=2' for some"
            )
        wrong = next((one for one in self.weights if not is_kind(one, (int, float))), None)
        if wrong is not None:
            raise UserError(f"MULTITASK.WEIGHTS: {wrong!r} is no weight; give numbers of 0 or more")
        return [float(one) for one in self.weights]

    def _by_name(self, tasks: TaskSet) -> list[float]:
        weights = dict.fromkeys(tasks.names, 1.0)
        for one in self.weights:
            name, _, number = str(one).rpartition("=")
            if name not in weights:
                raise UserError(
                    f"MULTITASK.WEIGHTS: '{one}' names no task of this run; "
                    f"{near_and_all(name, tasks.names)}; give 'task=2'"
                )
            try:
                weights[name] = float(number)
            except ValueError:
                raise UserError(
                    f"MULTITASK.WEIGHTS: '{one}' has no number behind =; give 'task=2'"
                ) from None
        return list(weights.values())
