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
from softcpt.engine.batches import Batches, features_from, given_of
from softcpt.engine.captured import CapturedSteps
from softcpt.engine.graphs import GRAPHS
from softcpt.engine.lookahead import Lookahead
from softcpt.engine.loss_scaler import LossScaler
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


class _WrongGuess(Exception):  # noqa: N818 - it is no error
    """A method has to ask the device, and the step is done again."""


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
        graph: "auto": steps are captured where the device can (softcpt/engine/captured.py); "off".

    Attributes:
        epoch: that is trained now, counted from 0.
        curve: per epoch its number, from 1, and mean loss.
        captured: the steps that are captured; None: none is.
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
        graph: str = "off",
    ) -> None:
        self.balance = balance
        self.method, self.optimiser, self.schedule = method, optimiser, schedule
        self.seed, self.repeats = seed, repeats
        self.lookahead = lookahead
        self.watch = Stopwatch() if watch is None else watch
        self.watch.follow(method.device)
        self.epoch = 0
        self.curve: list[dict[str, float]] = []
        self._losses: list[float] = []
        self.scaler = LossScaler(method.device, enabled=method.clip.needs_loss_scaling)
        self.captured = self._captured_steps() if graph == "auto" else None

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
        if self.lookahead is not None:
            with self.watch.section("text"):
                self.lookahead.before_step(self.method, batch, self.rate, self.scaler)
        with self.watch.section("image"):
            given, kind = given_of(batch, self.method)
        labels = send_labels(batch["label"], self.method.device)
        try:
            value, right = self._update(*self._found(given, kind, labels))
        except _WrongGuess:
            if self.captured is not None:
                self.captured.forget()  # they guess alike
            value, right = self._update(*self._gradients(given, kind, labels, guess=False))
        self._refuse_not_finite(value)
        self._losses.append(value)
        return Step(value, right)

    def _found(
        self, given: Tensor, kind: str, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """As :meth:`_gradients`, captured where steps are."""
        if self.captured is None:
            return self._gradients(given, kind, labels)
        # One section for all: a graph that has a section's events in it could not be timed.
        with self.watch.section(self._main_tower):
            return self.captured(given, kind, labels)

    def _gradients(
        self, given: Tensor, kind: str, labels: Tensor, guess: bool = True
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Of what a batch gives to the device loss, accuracy, and whether what the method guessed
        is wrong; gradients are at the parameters afterwards. The part of a step that can be
        captured."""
        with self.watch.section("image"):
            features = features_from(given, kind, self.method)
        with self.watch.section("text"):
            loss, accuracy, wrong = self._loss(features, labels, guess)
            self._needed_optimiser().zero_grad()
        with self.watch.section(self._main_tower):
            torch.autograd.backward(self.scaler.scale(loss))
        return loss.detach(), accuracy, wrong

    @property
    def _main_tower(self) -> str:
        """The tower where most of the backward pass is."""
        return "image" if self.method.prompts_images else "text"

    def _loss(
        self, features: Tensor, labels: Tensor, guess: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        if self.balance is not None:
            scale = self.scaler.get_scale()
            return *self.balance.loss(self.method, features, labels, scale), None
        if guess:
            return self.method.guessed_loss(features, labels)
        return *self.method.loss(features, labels), None

    def end_epoch(self) -> float:
        """Add the epoch to the curve; returns its mean loss.

        Raises:
            UserError: a parameter is not finite.
        """
        losses, self._losses = self._losses, []
        mean = sum(losses) / len(losses) if losses else float("nan")
        self._refuse_broken_parameters()
        self.watch.settle()
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

    def _update(self, loss: Tensor, accuracy: Tensor, wrong: Tensor | None) -> tuple[float, float]:
        """The optimiser's step; returns loss and accuracy. All that the host has to know of a step
        is read at once: at its end, or before the optimiser's where something can speak against
        it.

        Raises:
            _WrongGuess: what the method guessed is ``wrong``; nothing was changed.
        """
        with self.watch.section(self._main_tower):
            read = [loss, accuracy]
            if self.scaler.enabled:
                read.append(self.scaler.unscale(self._needed_optimiser()))
            if wrong is not None:
                read.append(wrong)
            if len(read) == 2:
                self._take_step()
            value, right, *against = torch.stack(read).tolist()
            if wrong is not None and against.pop():
                raise _WrongGuess
            if self.scaler.enabled:
                self._refuse_not_finite(value)  # no factor helps
                self.scaler.update(left_out=bool(against[0]))
            if len(read) > 2 and not any(against):
                self._take_step()
        return value, right

    def _needed_optimiser(self) -> Optimizer:
        if self.optimiser is None:
            raise UserError(
                f"{type(self.method).__name__}: it has no parameters that steps could train"
            )
        return self.optimiser

    def _take_step(self) -> None:
        for _ in range(1 if self.method.clip.precision == "amp" else self.repeats):
            self._needed_optimiser().step()

    def _captured_steps(self) -> CapturedSteps | None:
        """None where the device has no graphs: a CPU has no launches to save."""
        if self.optimiser is None or self.method.device.type not in GRAPHS:
            return None
        refused = ""
        if parallel.process_count() > 1:
            refused = "several processes share each step"
        elif self.lookahead is not None:
            refused = "TRAIN.LOOKAHEAD changes parameters within a step"
        elif self.balance is not None and self.balance.settings.gradients == "pcgrad":
            refused = "MULTITASK.GRADIENTS pcgrad compares gradients on the host"
        trained = [one for group in self.optimiser.param_groups for one in group["params"]]
        return CapturedSteps(self._gradients, self.method, trained, refused)

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
                self.scaler.load_state_dict(facts["scaler"])
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(
                    f"checkpoint {place}: its scaler is damaged; delete it to begin the run again"
                ) from error
        self._replay_schedule(done)
        if self.captured is not None:
            self.captured.forget()

    def _replay_schedule(self, epochs: int) -> None:
        """Bring the schedule, a function of the epoch, to where it was."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
            for _ in range(epochs):
                self.update_rate()
