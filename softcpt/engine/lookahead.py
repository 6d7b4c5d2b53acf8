"""What a step on one task does to the losses of the others, measured while all are trained.

    theta_i = theta - eta * gradient of L_i at theta         a step that is not taken
    Z_ij    = 1 - L_j(theta_i) / L_j(theta)                  share of j's loss that it takes away

This is TAG's inter-task affinity (Fifty et al. 2021, arXiv 2109.04617, Eq. 1), by which MmAP groups
tasks for prompts (Xin et al. 2024, 2312.08636): the mean of Z over the steps of one run relates all
pairs of its tasks. eta is the run's learning rate at the step, and the step a plain one, whatever
the run's optimiser. L_j is the loss on the batch's images of j and, where there are features of
validation images, on these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from softcpt.engine.batches import Batch, Batches, FeatureBatches, features_of
from softcpt.engine.loss_scaler import LossScaler
from softcpt.errors import UserError
from softcpt.prompters import TaskClassifier
from softcpt.utils.kinds import Kind, is_kind, shown, wrong_value
from softcpt.utils.seeding import generators_kept

TRAIN, VAL = "train", "val"
_STATE: dict[str, Kind] = {"seen": int, "steps": int, "sums": dict, "counts": dict}


class Lookahead:
    """Measures affinities, and leaves the run as it is: its numbers are those without.

    Args:
        every: measure at each so-manieth step, from the first on.
        val: validation images; counted if they are features that do not change in training.
    """

    def __init__(self, every: int, val: Batches | None = None) -> None:
        self.every = every
        self._val = val
        self._parts: dict[int, Batch] | None = None  # of val, once they are read
        self.seen = self.steps = 0
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}

    def before_step(
        self, method: TaskClassifier, batch: Mapping[str, Any], rate: float, scaler: LossScaler
    ) -> None:
        """Measure, if it is this step's turn.

        Args:
            method: as it is before the step.
            batch: of the step.
            rate: eta.
            scaler: of the run.
        """
        self.seen += 1
        if (self.seen - 1) % self.every:
            return
        self.steps += 1
        images = {TRAIN: parts_of(batch, method)}
        if val := self._of_validation(method):
            images[VAL] = val
        before = {kind: _losses(method, parts) for kind, parts in images.items()}
        parameters = [p for p in method.parameters() if p.requires_grad]
        start = [p.detach().clone() for p in parameters]
        for source, part in images[TRAIN].items():
            gradients = _gradients(method, parameters, part, scaler)
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients):
                    if gradient is not None:
                        parameter.sub_(rate * gradient)
                after = {kind: _losses(method, parts) for kind, parts in images.items()}
                for parameter, value in zip(parameters, start):
                    parameter.copy_(value)
            for kind, losses in after.items():
                self._add(kind, source, 1 - losses / before[kind])

    def _of_validation(self, method: TaskClassifier) -> dict[int, Batch]:
        """Task -> its validation images; read once, they stay the same."""
        if self._parts is None:
            self._parts = {}
            if isinstance(self._val, FeatureBatches):
                self._val.open()
                batches = list(self._val)
                joined: Batch = {"kind": batches[0]["kind"]}
                for key in ("features", "label"):
                    joined[key] = torch.cat([batch[key] for batch in batches])
                self._parts = parts_of(joined, method)
        return self._parts

    def _add(self, kind: str, source: int, affinities: Tensor) -> None:
        count = len(affinities)
        sums = self._sums.setdefault(kind, torch.zeros(count, count, dtype=torch.float64))
        counts = self._counts.setdefault(kind, torch.zeros(count, count, dtype=torch.long))
        known = torch.isfinite(affinities)
        sums[source] += torch.where(known, affinities, 0)
        counts[source] += known

    def result(self) -> dict[str, Any]:
        """For results.json: ``every``, ``steps`` that were measured, and by kind of images (T, T)
        mean affinities of sources (rows) to targets; None: never both in a batch."""
        means = {
            kind: [
                [total / count if count else None for total, count in zip(*rows)]
                for rows in zip(sums.tolist(), self._counts[kind].tolist())
            ]
            for kind, sums in self._sums.items()
        }
        return {"every": self.every, "steps": self.steps, **means}

    # -- continuation ------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What a continuation needs, as plain values."""
        return {
            "every": self.every,
            "seen": self.seen,
            "steps": self.steps,
            "sums": {kind: sums.tolist() for kind, sums in self._sums.items()},
            "counts": {kind: counts.tolist() for kind, counts in self._counts.items()},
        }

    def load_state(self, state: Any, tasks: int, place: object) -> None:
        """Put back what :meth:`state` gave of so many ``tasks``.

        Raises:
            UserError: the run began without it, or measured at other steps; or it is damaged.
        """
        began = state.get("every", 0) if isinstance(state, Mapping) else 0
        if began != self.every:
            raise UserError(
                f"checkpoint {place}: the run began with TRAIN.LOOKAHEAD {shown(began)}, not "
                f"{self.every}; give the same, or delete it to begin the run again"
            )
        fault = wrong_value(state, _STATE) or _wrong_tables(state, tasks)
        if fault:
            raise UserError(
                f"checkpoint {place}: its lookahead is damaged ({fault}); delete it to begin the "
                "run again, or restore it to continue"
            )
        self.seen, self.steps = int(state["seen"]), int(state["steps"])
        double = torch.float64
        self._sums = {kind: torch.tensor(t, dtype=double) for kind, t in state["sums"].items()}
        self._counts = {kind: torch.tensor(table) for kind, table in state["counts"].items()}


def _wrong_tables(state: Mapping[str, Any], tasks: int) -> str:
    """What is wrong with the tables of a state, in a few words; "": nothing."""
    if state["sums"].keys() != state["counts"].keys() or not state["sums"].keys() <= {TRAIN, VAL}:
        return "its tables are of other images"
    for name, kind in (("sums", [[(int, float)]]), ("counts", [[int]])):
        for table in state[name].values():
            sides = {len(table), *map(len, table)} if is_kind(table, kind) else set()
            if sides != {tasks}:
                return f"its {name} are no table of {tasks} tasks"
    return ""


def parts_of(batch: Mapping[str, Any], method: TaskClassifier) -> dict[int, Batch]:
    """Task -> the batch's images of it."""
    owners = method.tasks.owners(batch["label"].cpu())
    return {
        int(task): {
            key: value[owners == task] if isinstance(value, Tensor) else value
            for key, value in batch.items()
        }
        for task in owners.unique()
    }


def _loss(method: TaskClassifier, part: Batch) -> Tensor:
    # The same draws every time (dropout, a sample of the classes), and none taken from the run.
    with generators_kept():
        return method.loss(features_of(part, method), part["label"].to(method.device))[0]


@torch.no_grad()
def _losses(method: TaskClassifier, parts: Mapping[int, Batch]) -> Tensor:
    """(T,) loss of every task, in float64; of one without images no number."""
    losses = torch.full((len(method.tasks),), torch.nan, dtype=torch.float64)
    for task, part in parts.items():
        losses[task] = _loss(method, part).item()
    return losses


def _gradients(
    method: TaskClassifier, parameters: list[torch.nn.Parameter], part: Batch, scaler: LossScaler
) -> list[Tensor | None]:
    """Of the loss of ``part``, by parameter; None where it does not depend on one. A method's
    backward pass may be its own, so gradients are read where it puts them."""
    for parameter in parameters:
        parameter.grad = None
    torch.autograd.backward(scaler.scale(_loss(method, part)))
    scale = scaler.get_scale()
    gradients = [None if p.grad is None else p.grad / scale for p in parameters]
    for parameter in parameters:
        parameter.grad = None
    return gradients
