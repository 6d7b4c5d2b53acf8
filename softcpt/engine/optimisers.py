"""The optimiser and the schedule that a configuration asks for, as Dassl makes them."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from yacs.config import CfgNode

from softcpt.engine.task_balance import TaskBalance
from softcpt.errors import UserError, reason_of
from softcpt.prompters import TaskClassifier


def optimiser_and_schedule(
    method: TaskClassifier, balance: TaskBalance | None, cfg: CfgNode
) -> tuple[Optimizer, LRScheduler]:
    """Over what ``method`` trains, and the ``balance``, if it has parameters.

    Raises:
        UserError: the optimiser or the schedule does not take its settings.
    """
    from dassl.optim import build_lr_scheduler, build_optimizer

    settings = cfg.OPTIM
    try:
        optimiser = build_optimizer(method, settings)
        if balance is not None:
            balance.join(optimiser)
        return optimiser, build_lr_scheduler(optimiser, settings)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"OPTIM: {settings.NAME} with {settings.LR_SCHEDULER}: {reason_of(error)}; change that "
            "setting"
        ) from error
