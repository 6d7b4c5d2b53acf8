"""Trains a method step by step, tests it, and keeps what an exact continuation needs.

Every epoch seeds the generators from (seed, epoch). So a run that was stopped continues bit for
bit, and all methods of a comparison see the same batches of the same views. The learner knows
neither configurations nor Dassl: :func:`softcpt.fit` drives it with a short loop, and
:class:`softcpt.engine.trainer.PromptTrainer` lets Dassl's loop drive it.

From a step to the loss: ``step`` -> the method's ``loss`` (softcpt/prompters) ->
``TaskSet.restrict``; with a balance of tasks ``step`` -> ``TaskBalance.loss`` -> the method's.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from softcpt.artefacts import checkpoint
from softcpt.engine.batches import Batches, features_of
from softcpt.engine.lookahead import Lookahead
from softcpt.engine.measuring import Observer, Tested, measured
from softcpt.engine.task_balance import TaskBalance
from softcpt.errors import UserError
from softcpt.prompters import TaskClassifier
from softcpt.utils import parallel
from softcpt.utils.seeding import seed_everything
from softcpt.utils.sending import send_labels
from softcpt.utils.stopwatch import Stopwatch


@dataclass(frozen=True)
class Step:
    """What one step measured: the mean ``loss`` of the batch, and its ``accuracy`` in %."""

    loss: float
    accuracy: float


class Learner:
    """One method being trained.

    Args:
        method: what is trained, and tested.
        optimiser: over the method's parameters; None: nothing is trained by steps.
        schedule: of the learning rate, counted in epochs; None: the rate stays.
        seed: of the run.
        repeats: optimiser steps per batch and schedule steps per epoch; more than one is what some
            published codes do (``OPTIM.REFERENCE_SCHEDULE``).
        watch: counts the time of the towers; None: one of its own.
        balance: how tasks count in the loss; None: by their images.
        lookahead: measures what each task's gradient does to the others' losses; None: nothing
            does.

    Attributes:
        epoch: that is trained now, counted from 0.
        curve: per epoch its number, from 1, and mean loss.
    """

    def __init__(
        self,
        method: TaskClassifier,
        optimiser: Optimizer | None = None,
        schedule: LRScheduler | None = None,
        *,
        seed: int = 1,
        repeats: int = 1,
        watch: Stopwatch | None = None,
        balance: TaskBalance | None = None,
        lookahead: Lookahead | None = None,
    ) -> None:
        self.balance = balance
        self.method, self.optimiser, self.schedule = method, optimiser, schedule
        self.seed, self.repeats = seed, repeats
        self.lookahead = lookahead
        self.watch = Stopwatch() if watch is None else watch
        self.epoch = 0
        self.curve: list[dict[str, float]] = []
        self._losses: list[float] = []
        amp_on_gpu = method.clip.precision == "amp" and method.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(method.device.type, enabled=amp_on_gpu)

    # -- training ----------------------------------------------------------------------------------

    def begin_epoch(self, epoch: int, batches: Batches) -> None:
        """Seed from (seed, epoch), counted from 0, and open the epoch's view."""
        self.epoch = epoch
        self.method.train()
        digest = hashlib.sha256(f"{self.seed} {epoch}".encode()).digest()
        seed_everything(int.from_bytes(digest[:4], "big"))
        parallel.sync_parameters(self.method)
        if self.balance is not None:
            self.balance.begin_epoch(self.seed, epoch)
            parallel.sync_parameters(self.balance)
        batches.epoch = epoch
        with self.watch.section("image"):
            batches.open()

    def step(self, batch: Mapping[str, Any]) -> Step:
        """Train on one batch.

        Raises:
            UserError: the loss is not finite, or the method has no parameters.
        """
        features = self.encode(batch)
        labels = send_labels(batch["label"], self.method.device)
        with self.watch.section("text"):
            if self.lookahead is not None:
                self.lookahead.before_step(self.method, batch, self.rate, self.scaler)
            loss, accuracy = self._loss(features, labels)
            if self.optimiser is not None:
                self.optimiser.zero_grad()
        # Counted for the tower where most of the backward pass is.
        with self.watch.section("image" if self.method.prompts_images else "text"):
            self._update(loss)
            # Read once, when the device has been given all of the step.
            value, right = torch.stack([loss.detach(), accuracy]).tolist()
        self._refuse_not_finite(value)
        self._losses.append(value)
        return Step(value, right)

    def _loss(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if self.balance is None:
            return self.method.loss(features, labels)
        return self.balance.loss(self.method, features, labels, self.scaler.get_scale())

    def encode(self, batch: Mapping[str, Any]) -> Tensor:
        """Image features of a batch as the method takes them: (B, D), or (B, 1 + M, D)."""
        with self.watch.section("image"):
            return features_of(batch, self.method)

    def end_epoch(self) -> float:
        """Add the epoch to the curve; returns its mean loss.

        Raises:
            UserError: a parameter is not finite.
        """
        losses, self._losses = self._losses, []
        mean = sum(losses) / len(losses) if losses else float("nan")
        self._refuse_broken_parameters()
        self.curve.append({"epoch": self.epoch + 1, "loss": mean})
        return mean

    def update_rate(self) -> None:
        """Step the schedule at an epoch's end, as often as ``repeats`` says.

        Some published codes register one optimiser and one schedule under several names and step
        them under each: the optimiser takes k steps per batch with the same gradient (one under
        amp), the schedule k per epoch.
        """
        if self.schedule is not None:
            for _ in range(self.repeats):
                self.schedule.step()

    @property
    def rate(self) -> float:
        """The learning rate of the first parameter group; 0 without an optimiser."""
        return 0.0 if self.optimiser is None else float(self.optimiser.param_groups[0]["lr"])

    def _update(self, loss: Tensor) -> None:
        """Backward pass and optimiser."""
        if self.optimiser is None:
            raise UserError(
                f"{type(self.method).__name__}: it has no parameters that steps could train"
            )
        torch.autograd.backward(self.scaler.scale(loss))
        for _ in range(1 if self.method.clip.precision == "amp" else self.repeats):
            self.scaler.step(self.optimiser)
        self.scaler.update()

    def _refuse_not_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise UserError(
                f"loss is {loss} in epoch {self.epoch + 1}, step {len(self._losses) + 1}, at "
                f"precision {self.method.clip.precision}; {self._remedy}"
            )

    def _refuse_broken_parameters(self) -> None:
        for name, tensor in self.method.named_parameters():
            if not torch.isfinite(tensor).all():
                raise UserError(
                    f"{name} is not finite after epoch {self.epoch + 1} at precision "
                    f"{self.method.clip.precision}; {self._remedy}"
                )

    @property
    def _remedy(self) -> str:
        """What to do about figures that are not finite."""
        exact = self.method.clip.precision == "fp32"
        return "lower OPTIM.LR" if exact else "lower OPTIM.LR, or use PREC fp32"

    # -- tests -------------------------------------------------------------------------------------

    def evaluate(self, batches: Batches, observe: Observer | None = None) -> Tested:
        """The figures of every task, and the best classes of every image, in the items' order.

        Args:
            batches: images, or their features.
            observe: is given logits (B, C) and labels of every batch, too.
        """
        self.method.eval()
        return measured(self.method, batches, self.watch, observe)

    # -- continuation ------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What was learned with the optimiser's state, as flat tensors; and what else a
        continuation needs, as plain values."""
        facts = {
            "seconds": self.watch.seconds(),
            "curve": self.curve,
            "scaler": self.scaler.state_dict(),
        }
        if self.lookahead is not None:
            facts["lookahead"] = self.lookahead.state()
        return checkpoint.run_tensors(self.method, self.optimiser, self.balance), facts

    def load_state(
        self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], done: int, place: str | Path
    ) -> None:
        """Put back what :meth:`state` gave after ``done`` epochs.

        Args:
            tensors: as :meth:`state` gives them.
            facts: the same.
            done: epochs.
            place: the file, for messages.

        Raises:
            UserError: they are of a method with other parameters, or of a run that measured
                affinities otherwise.
        """
        checkpoint.restore_run(self.method, self.optimiser, tensors, place, self.balance)
        self.watch.restart(facts["seconds"])
        self.curve = list(facts["curve"])
        if self.lookahead is not None:
            self.lookahead.load_state(facts.get("lookahead"), len(self.method.tasks), place)
        if facts.get("scaler"):  # an older version did not keep it
            try:
                self.scaler.load_state_dict(dict(facts["scaler"]))
            except (RuntimeError, KeyError, TypeError, ValueError) as error:
                raise UserError(
                    f"checkpoint {place}: its scaler is damaged; delete it to begin the run again"
                ) from error
        self._replay_schedule(done)

    def _replay_schedule(self, epochs: int) -> None:
        """Bring the schedule, a function of the epoch, to where it was."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
            for _ in range(epochs):
                self.update_rate()
