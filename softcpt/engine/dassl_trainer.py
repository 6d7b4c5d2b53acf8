"""Dassl's trainer, whoever provides it, with types for what this project uses of it."""
# ruff: noqa: D102 - Dassl's hooks, which its documentation explains

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softcpt import dassl

dassl.activate()  # an engine must be found before dassl is imported

if not TYPE_CHECKING:
    from dassl.engine import TrainerX as DasslTrainer
else:
    import torch
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from yacs.config import CfgNode

    class DasslTrainer:
        """``TrainerX``: the loop over epochs and batches, and hooks in it.

        Attributes:
            epoch, start_epoch, max_epoch: counted from 0.
            batch_idx, num_batches: in the epoch that runs.
            best_result: on validation so far; -inf: there is none.
        """

        cfg: CfgNode
        device: torch.device
        output_dir: str
        epoch: int
        start_epoch: int
        max_epoch: int
        batch_idx: int
        num_batches: int
        best_result: float
        evaluator: Any

        def __init__(self, cfg: CfgNode) -> None: ...
        def register_model(
            self,
            name: str,
            model: nn.Module,
            optim: Optimizer | None = None,
            sched: Any = None,
        ) -> None: ...
        def model_zero_grad(self, names: str | list[str] | None = None) -> None: ...
        def set_model_mode(self, mode: str, names: str | list[str] | None = None) -> None: ...
        def update_lr(self, names: str | list[str] | None = None) -> None: ...
        def detect_anomaly(self, loss: Tensor) -> None: ...
        def init_writer(self, log_dir: str) -> None: ...
        def write_scalar(self, tag: str, scalar_value: float, global_step: int | None) -> None: ...
        def train(self) -> None: ...
        def before_train(self) -> None: ...
        def after_train(self) -> None: ...
        def before_epoch(self) -> None: ...
        def after_epoch(self) -> None: ...


__all__ = ["DasslTrainer"]
