"""Which epoch of a :func:`softcpt.fit` counts, by its figures on validation images."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from yacs.config import CfgNode

from softcpt import selection
from softcpt.engine.batches import Batches
from softcpt.engine.early_stop import EarlyStop
from softcpt.engine.learner import Learner
from softcpt.errors import UserError
from softcpt.task_results import overall

_BEST = "best."  # what the best epoch learned, in the file that a continuation reads


class EpochChoice:
    """Tests every epoch on validation images, as ``train.py`` does: stops early, keeps the best.

    Args:
        cfg: of the fit; ``TRAIN.EARLY_STOP`` or ``TEST.FINAL_MODEL`` asks for it.
        learner: that trains.
        batches: of validation images.
    """

    def __init__(self, cfg: CfgNode, learner: Learner, batches: Batches) -> None:
        self.learner, self.batches = learner, batches
        self.patience: int = cfg.TRAIN.EARLY_STOP
        self.keeps_best = cfg.TEST.FINAL_MODEL == "best_val"
        self.stop = EarlyStop(self.patience or sys.maxsize)
        self.best: dict[str, Tensor] = {}

    @staticmethod
    def asked(cfg: CfgNode) -> bool:
        """Whether a figure on validation images decides anything."""
        return bool(cfg.TRAIN.EARLY_STOP) or cfg.TEST.FINAL_MODEL == "best_val"

    def after_epoch(self, epoch: int, epochs: int) -> bool:
        """Test ``epoch``, counted from 1, of ``epochs``; returns whether training ends here."""
        if self.stop.add(epoch, self.figure()) and self.keeps_best:
            state = self.learner.method.state_dict()
            self.best = {name: tensor.clone() for name, tensor in state.items()}
        if epoch == epochs:
            self.stop.stopped_after = None
        return self.stop.stops

    def figure(self) -> float:
        """What epochs are compared by: the mean over tasks of their metrics, in %."""
        return next(iter(overall(self.learner.evaluate(self.batches).results).values()))

    def finish(self) -> dict[str, Any] | None:
        """Give the method what counts; returns what was chosen."""
        if self.keeps_best and self.best:
            self.learner.method.load_state_dict(self.best)
            return selection.of_epoch(self.stop.best_epoch, "val")
        return selection.of_epoch(self.stop.stopped_after, "val") if self.stop.stops else None

    def described(self) -> dict[str, Any] | None:
        """The rule, and when training ended by it; None: there is none."""
        return self.stop.described() if self.patience else None

    # -- continuation ------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values that a continuation needs."""
        tensors = {_BEST + name: tensor for name, tensor in self.best.items()}
        best = self.stop.best if self.keeps_best else None
        return tensors, {"best": best, "early_stop": self.stop.state()}

    def load(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any], place: object) -> None:
        """Put back what :meth:`state` gave.

        Raises:
            UserError: it is damaged; ``place`` is the file.
        """
        self.stop.load(header.get("early_stop"), place)
        own = self.learner.method.state_dict()
        self.best = {
            name.removeprefix(_BEST): tensor.to(self.learner.method.device)
            for name, tensor in tensors.items()
            if name.startswith(_BEST)
        }
        wanted = own if self.keeps_best and self.stop.best is not None else {}
        shapes = [{name: one.shape for name, one in each.items()} for each in (wanted, self.best)]
        if shapes[0] != shapes[1]:
            raise UserError(
                f"checkpoint {place}: damaged (it lacks the best epoch); delete it to begin the "
                "run again, or restore it to continue"
            )
