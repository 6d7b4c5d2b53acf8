"""Learning-rate schedules counted in epochs, after an optional warm-up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dassl.utils import check_availability
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, StepLR
from yacs.config import CfgNode

from softcpt.dassl.warmup_state import load_nested_state, nested_state


class WarmupScheduler(LRScheduler):
    """Warm-up rates for ``warmup_epoch`` epochs, then ``successor``, which starts at its own first epoch.

    The successor is not shortened: a cosine over E epochs after one warm-up epoch ends one step before 0.
    """

    def __init__(self, optimizer: Optimizer, successor: LRScheduler, warmup_epoch: int, last_epoch: int = -1) -> None:
        self.successor = successor
        self.warmup_epoch = warmup_epoch
        super().__init__(optimizer, last_epoch)

    def warmup_lr(self) -> list[float]:
        """Rates of the parameter groups in epoch ``self.last_epoch`` (0-based) of the warm-up."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        """Rates of the parameter groups in the current epoch."""
        return self.warmup_lr() if self.last_epoch < self.warmup_epoch else self.successor.get_last_lr()

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch."""
        if self.last_epoch < self.warmup_epoch:
            super().step(epoch)
            return
        self.successor.step(epoch)
        self._last_lr = self.successor.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers only, the successor's under ``successor``."""
        return nested_state(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from ``state_dict``, the successor too. Accepts what Dassl pickled."""
        load_nested_state(self, state_dict)


class ConstantWarmupScheduler(WarmupScheduler):
    """The rate ``cons_lr`` while warming up."""

    def __init__(self, optimizer: Optimizer, successor: LRScheduler, warmup_epoch: int, cons_lr: float) -> None:
        self.cons_lr = cons_lr
        super().__init__(optimizer, successor, warmup_epoch)

    def warmup_lr(self) -> list[float]:
        """``cons_lr`` for every group."""
        return [self.cons_lr] * len(self.base_lrs)


class LinearWarmupScheduler(WarmupScheduler):
    """``min_lr`` in the first epoch, then the base rate times epoch / ``warmup_epoch``."""

    def __init__(self, optimizer: Optimizer, successor: LRScheduler, warmup_epoch: int, min_lr: float) -> None:
        self.min_lr = min_lr
        super().__init__(optimizer, successor, warmup_epoch)

    def warmup_lr(self) -> list[float]:
        """The ramp's value for every group."""
        if self.last_epoch == 0:
            return [self.min_lr] * len(self.base_lrs)
        return [base * self.last_epoch / self.warmup_epoch for base in self.base_lrs]


def _step_length(cfg: CfgNode) -> int:
    """Epochs between two drops: the last of STEPSIZE, or the whole training when that is not positive."""
    step = cfg.STEPSIZE[-1] if isinstance(cfg.STEPSIZE, (list, tuple)) else cfg.STEPSIZE
    if not isinstance(step, int):
        raise TypeError(f"OPTIM.STEPSIZE: single_step needs an integer, not {type(step).__name__}")
    return step if step > 0 else cfg.MAX_EPOCH


def _main_schedule(optimizer: Optimizer, cfg: CfgNode) -> LRScheduler:
    """The schedule without its warm-up."""
    check_availability(cfg.LR_SCHEDULER, ["single_step", "multi_step", "cosine"])
    if cfg.LR_SCHEDULER == "single_step":
        return StepLR(optimizer, step_size=_step_length(cfg), gamma=cfg.GAMMA)
    if cfg.LR_SCHEDULER == "cosine":
        return CosineAnnealingLR(optimizer, T_max=float(cfg.MAX_EPOCH))
    if not isinstance(cfg.STEPSIZE, (list, tuple)):
        raise TypeError(f"OPTIM.STEPSIZE: multi_step needs a list, not {type(cfg.STEPSIZE).__name__}")
    return MultiStepLR(optimizer, milestones=cfg.STEPSIZE, gamma=cfg.GAMMA)


def build_lr_scheduler(optimizer: Optimizer, optim_cfg: CfgNode) -> LRScheduler:
    """The schedule ``optim_cfg.LR_SCHEDULER``, warmed up for WARMUP_EPOCH epochs. ValueError on unknown names."""
    scheduler = _main_schedule(optimizer, optim_cfg)
    if optim_cfg.WARMUP_EPOCH < 1:
        return scheduler
    check_availability(optim_cfg.WARMUP_TYPE, ["constant", "linear"])
    if not optim_cfg.WARMUP_RECOUNT:
        scheduler.last_epoch = optim_cfg.WARMUP_EPOCH
    if optim_cfg.WARMUP_TYPE == "constant":
        return ConstantWarmupScheduler(optimizer, scheduler, optim_cfg.WARMUP_EPOCH, optim_cfg.WARMUP_CONS_LR)
    return LinearWarmupScheduler(optimizer, scheduler, optim_cfg.WARMUP_EPOCH, optim_cfg.WARMUP_MIN_LR)
