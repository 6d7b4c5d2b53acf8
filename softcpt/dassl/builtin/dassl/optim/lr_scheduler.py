"""Learning-rate schedules counted in epochs, after an optional warm-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dassl.utils import check_availability
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, StepLR
from yacs.config import CfgNode

from softcpt.dassl.warmup_state import load_nested_state, nested_state


class WarmupScheduler(LRScheduler):
    """``ramp(base rate, epoch)`` for ``warmup_epoch`` epochs counted from 0, then ``successor``
    from its own start.

    The successor is not shortened: a cosine over E epochs after one warm-up epoch ends one step
        before 0.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        successor: LRScheduler,
        warmup_epoch: int,
        ramp: Callable[[float, int], float],
    ) -> None:
        self.successor = successor
        # A table of plain numbers, because a function in a checkpoint would be code.
        bases = [float(base) for base in successor.base_lrs]
        self.rates: list[list[float]] = []
        for epoch in range(warmup_epoch):
            self.rates.append([ramp(base, epoch) for base in bases])
        super().__init__(optimizer)

    @property
    def warmup_epoch(self) -> int:
        """Number of epochs before the successor's first."""
        return len(self.rates)

    @property
    def _warming(self) -> bool:
        return self.last_epoch < len(self.rates)

    def get_lr(self) -> list[float | Tensor]:
        """Rates of the parameter groups in the current epoch."""
        return list(self.rates[self.last_epoch]) if self._warming else self.successor.get_last_lr()

    def get_last_lr(self) -> list[float | Tensor]:
        """The same as ``get_lr``."""
        return self.get_lr()

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch: of the warm-up until it is over, then of the successor."""
        if self._warming:
            super().step(epoch)
        else:
            self.successor.step(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers only, the successor's under ``successor``."""
        return nested_state(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from ``state_dict``, the successor too. Accepts what Dassl pickled."""
        load_nested_state(self, state_dict)


class ConstantWarmupScheduler(WarmupScheduler):
    """The rate ``cons_lr`` while warming up."""

    def __init__(
        self, optimizer: Optimizer, successor: LRScheduler, warmup_epoch: int, cons_lr: float
    ) -> None:
        super().__init__(optimizer, successor, warmup_epoch, lambda _base, _epoch: cons_lr)


class LinearWarmupScheduler(WarmupScheduler):
    """``min_lr`` in the first epoch, then the base rate times epoch / ``warmup_epoch``."""

    def __init__(
        self, optimizer: Optimizer, successor: LRScheduler, warmup_epoch: int, min_lr: float
    ) -> None:
        def ramp(base: float, epoch: int) -> float:
            return base * epoch / warmup_epoch if epoch else min_lr

        super().__init__(optimizer, successor, warmup_epoch, ramp)


def _single_step(optimizer: Optimizer, cfg: CfgNode) -> LRScheduler:
    """A drop every STEPSIZE epochs (the last, if these are several), or never when that is not
    positive."""
    length = cfg.STEPSIZE[-1] if isinstance(cfg.STEPSIZE, (list, tuple)) else cfg.STEPSIZE
    if not isinstance(length, int):
        raise TypeError(
            f"OPTIM.STEPSIZE: single_step needs an integer, not {type(length).__name__}"
        )
    return StepLR(optimizer, length if length > 0 else cfg.MAX_EPOCH, cfg.GAMMA)


def _multi_step(optimizer: Optimizer, cfg: CfgNode) -> LRScheduler:
    """A drop after each epoch in STEPSIZE."""
    if not isinstance(cfg.STEPSIZE, (list, tuple)):
        raise TypeError(
            f"OPTIM.STEPSIZE: multi_step needs a list, not {type(cfg.STEPSIZE).__name__}"
        )
    return MultiStepLR(optimizer, cfg.STEPSIZE, cfg.GAMMA)


def _cosine(optimizer: Optimizer, cfg: CfgNode) -> LRScheduler:
    """From LR to 0 in MAX_EPOCH epochs."""
    # A float, as in Dassl's checkpoints.
    return CosineAnnealingLR(optimizer, T_max=float(cfg.MAX_EPOCH))  # type: ignore[arg-type]


_SCHEDULES = {"single_step": _single_step, "multi_step": _multi_step, "cosine": _cosine}


def build_lr_scheduler(optimizer: Optimizer, optim_cfg: CfgNode) -> LRScheduler:
    """The schedule ``optim_cfg.LR_SCHEDULER``, warmed up for WARMUP_EPOCH epochs. ValueError on
    unknown names."""
    check_availability(optim_cfg.LR_SCHEDULER, list(_SCHEDULES))
    schedule = _SCHEDULES[optim_cfg.LR_SCHEDULER](optimizer, optim_cfg)
    return _warmed_up(schedule, optim_cfg) if optim_cfg.WARMUP_EPOCH > 0 else schedule


def _warmed_up(schedule: LRScheduler, cfg: CfgNode) -> LRScheduler:
    """``schedule`` after a warm-up; without WARMUP_RECOUNT it then starts as late as if it had run
    all along."""
    kinds = {
        "constant": (ConstantWarmupScheduler, cfg.WARMUP_CONS_LR),
        "linear": (LinearWarmupScheduler, cfg.WARMUP_MIN_LR),
    }
    check_availability(cfg.WARMUP_TYPE, list(kinds))
    kind, rate = kinds[cfg.WARMUP_TYPE]
    if not cfg.WARMUP_RECOUNT:
        schedule.last_epoch = cfg.WARMUP_EPOCH
    return kind(schedule.optimizer, schedule, cfg.WARMUP_EPOCH, rate)
