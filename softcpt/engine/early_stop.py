"""Ends a training whose figure on validation images has not grown for some epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from softcpt import selection
from softcpt.errors import UserError
from softcpt.utils.kinds import Kind, wrong_value

_STATE: dict[str, Kind] = {
    "best": (int, float, type(None)),
    "best_epoch": int,
    "stopped_after": (int, type(None)),
}


@dataclass
class EarlyStop:
    """The rule: stop after the ``patience``-th epoch in a row that is not better than the best
    before it (``TRAIN.EARLY_STOP``).

    Attributes:
        patience: epochs, 1 or more.
        best: the highest figure so far; None: there is none.
        best_epoch: the first epoch, counted from 1, that had it.
        stopped_after: the epoch after which training ended; None: it goes on, or went to its end.
    """

    patience: int
    best: float | None = None
    best_epoch: int = 0
    stopped_after: int | None = None

    def add(self, epoch: int, figure: float) -> bool:
        """Take the figure of an ``epoch``, counted from 1; returns whether it is better than all
        before it."""
        if self.best is None or figure > self.best:
            self.best, self.best_epoch = figure, epoch
            return True
        if epoch - self.best_epoch >= self.patience:
            self.stopped_after = epoch
        return False

    @property
    def stops(self) -> bool:
        """Whether training ends."""
        return self.stopped_after is not None

    def state(self) -> dict[str, Any]:
        """For the file that a continuation reads."""
        return {name: getattr(self, name) for name in _STATE}

    def load(self, state: Any, place: object) -> None:
        """Put back what :meth:`state` gave.

        Raises:
            UserError: it is damaged; ``place`` is the file.
        """
        fault = wrong_value(state, _STATE) if isinstance(state, Mapping) else "is missing"
        if fault:
            raise UserError(
                f"checkpoint {place}: its early_stop is damaged ({fault}); delete it to begin the "
                "run again, or restore it to continue"
            )
        for name in _STATE:
            setattr(self, name, state[name])

    def described(self) -> dict[str, Any]:
        """For results.json."""
        return {"patience": self.patience, "on": "val", **self.state()}


def refuse_without_validation(
    setting: str, val: Sequence[Any] | None, test: Sequence[Any] = ()
) -> None:
    """Never is an epoch chosen on test images.

    Args:
        setting: that asks for the choice, for the message.
        val: validation images.
        test: test images.

    Raises:
        UserError: there are no validation images, or they are test images.
    """
    why = selection.obstacle(val, test)
    if why:
        raise UserError(
            f"{setting}: {why}, and no epoch is chosen on test images; give validation images, or "
            "leave it out"
        )
