"""Named models with their optimisers and schedules: registering, saving, loading, stepping."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from dassl.utils import (
    MissingFileError,
    load_checkpoint,
    resume_from_checkpoint,
    save_checkpoint,
    tolist_if_not,
)
from torch import nn

from softcpt.errors import UserError


class TrainerBase:
    """The loop over epochs, and models under names. A subclass gives ``run_epoch`` and the hooks it
    needs."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, Any] = OrderedDict()
        self._optims: OrderedDict[str, Any] = OrderedDict()
        self._scheds: OrderedDict[str, Any] = OrderedDict()
        self._writer: Any = None

    def register_model(
        self,
        name: str = "model",
        model: nn.Module | None = None,
        optim: Any = None,
        sched: Any = None,
    ) -> None:
        """Enter a model to be saved, loaded and stepped under ``name``. Raises AssertionError on a
        taken name."""
        if "_models" not in vars(self):
            raise AttributeError(f"register_model({name!r}): call super().__init__() first")
        if name in self._models:
            raise AssertionError(f"register_model({name!r}): this name is taken; choose another")
        self._models[name] = model
        self._optims[name] = optim
        self._scheds[name] = sched

    def get_model_names(self, names: str | list[str] | None = None) -> list[str]:
        """All names, or ``names`` as a list after checking that they are registered."""
        if names is None:
            return list(self._models)
        wanted: list[str] = tolist_if_not(names)
        unknown = [name for name in wanted if name not in self._models]
        if unknown:
            raise AssertionError(
                f"models {unknown}: not registered; registered are {list(self._models)}"
            )
        return wanted

    def _parts(self, table: Mapping[str, Any], names: str | list[str] | None) -> list[Any]:
        """The optimisers or schedules in ``table`` of these models; those that have none are left
        out."""
        return [table[name] for name in self.get_model_names(names) if table[name] is not None]

    def save_model(
        self,
        epoch: int,
        directory: str,
        is_best: bool = False,
        val_result: float | None = None,
        model_name: str = "",
    ) -> None:
        """Write every model to ``<directory>/<name>/``. ``epoch`` is 0-based here and 1-based in
        the file."""
        for name in self.get_model_names():
            optim, sched = self._optims[name], self._scheds[name]
            state = {
                "state_dict": self._models[name].state_dict(),
                "epoch": epoch + 1,
                "optimizer": None if optim is None else optim.state_dict(),
                "scheduler": None if sched is None else sched.state_dict(),
                "val_result": val_result,
            }
            save_checkpoint(
                state, os.path.join(directory, name), is_best=is_best, model_name=model_name
            )

    def resume_model_if_exist(self, directory: str) -> int:
        """Continue from ``directory`` if it has a folder for every model; return the 0-based epoch
        to train next.

        Raises UserError when the models' last checkpoints are of different epochs.
        """
        folders = {name: os.path.join(directory, name) for name in self.get_model_names()}
        if not folders or not all(os.path.exists(folder) for folder in folders.values()):
            print(f"no checkpoint in {directory}: starting at epoch 1")
            return 0
        print(f"resuming from {directory}")
        epochs: dict[str, int] = {
            name: resume_from_checkpoint(
                folder, self._models[name], self._optims[name], self._scheds[name]
            )
            for name, folder in folders.items()
        }
        if len(set(epochs.values())) > 1:
            raise UserError(
                f"{directory}: the models were saved at different epochs {epochs}; "
                "in each folder let the file `checkpoint` name a model.pth.tar of one epoch"
            )
        return next(iter(epochs.values()))

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Load every model's best checkpoint, or that of ``epoch`` (1-based). An empty
        ``directory`` loads nothing.

        Raises MissingFileError, a FileNotFoundError, when there is no such file.
        """
        if not directory:
            print("load_model: no folder given, so the weights stay as they are")
            return
        file = "model-best.pth.tar" if epoch is None else f"model.pth.tar-{epoch}"
        for name in self.get_model_names():
            path = os.path.join(directory, name, file)
            if not os.path.exists(path):
                raise MissingFileError(
                    f"{path}: no such checkpoint; check --model-dir and --load-epoch"
                )
            self._load_one(name, path)

    def _load_one(self, name: str, path: str) -> None:
        """Load one model, strictly, and say from what."""
        saved = load_checkpoint(path)
        result = saved.get("val_result")
        validated = "not validated" if result is None else f"{result:.2f} on validation"
        print(f"{name}: weights of epoch {saved['epoch']} ({validated}) from {path}")
        self._models[name].load_state_dict(saved["state_dict"])

    def set_model_mode(self, mode: str = "train", names: str | list[str] | None = None) -> None:
        """Switch to "train", or to "test" or "eval", which are the same. Raises KeyError on other
        modes."""
        training = {"train": True, "test": False, "eval": False}[mode]
        for name in self.get_model_names(names):
            self._models[name].train(training)

    def update_lr(self, names: str | list[str] | None = None) -> None:
        """Step the schedules. Trainers call it on the last batch of an epoch."""
        for schedule in self._parts(self._scheds, names):
            schedule.step()

    def detect_anomaly(self, loss: torch.Tensor) -> None:
        """Raise FloatingPointError unless ``loss`` is finite."""
        if not loss.isfinite().all():
            raise FloatingPointError(
                f"loss is {loss.detach()}: training diverged; lower OPTIM.LR or use fp32"
            )

    def init_writer(self, log_dir: str) -> None:
        """Open a tensorboard writer, or say that tensorboard is not installed."""
        if self._writer:
            return
        try:
            from torch.utils import tensorboard
        except ImportError:
            print(
                "tensorboard is not installed, so no event files are written (pip install "
                "tensorboard)"
            )
            return
        print(f"curves for tensorboard: {log_dir}")
        self._writer = tensorboard.SummaryWriter(log_dir)

    def close_writer(self) -> None:
        """Close the writer, if there is one."""
        if self._writer:
            self._writer.close()

    def write_scalar(self, tag: str, scalar_value: float, global_step: int | None = None) -> None:
        """Write a number to tensorboard, if there is a writer."""
        if self._writer:
            self._writer.add_scalar(tag, scalar_value, global_step=global_step)

    def train(self, start_epoch: int, max_epoch: int) -> None:
        """Run the epochs from ``start_epoch`` (0-based, ``before_train`` may change it) up to
        ``max_epoch``."""
        self.start_epoch, self.max_epoch = start_epoch, max_epoch
        self.before_train()
        for epoch in range(self.start_epoch, self.max_epoch):
            self.epoch = epoch
            self.before_epoch()
            self.run_epoch()
            self.after_epoch()
        self.after_train()

    def before_train(self) -> None:
        """Hook before the first epoch."""

    def after_train(self) -> None:
        """Hook after the last epoch."""

    def before_epoch(self) -> None:
        """Hook before each epoch."""

    def after_epoch(self) -> None:
        """Hook after each epoch."""

    def run_epoch(self) -> None:
        """One epoch."""
        raise NotImplementedError

    def test(self) -> float:
        """Measure the model."""
        raise NotImplementedError

    def parse_batch_train(self, batch: Mapping[str, Any]) -> Any:
        """What a training step needs of a batch, on the device."""
        raise NotImplementedError

    def parse_batch_test(self, batch: Mapping[str, Any]) -> Any:
        """What a test step needs of a batch, on the device."""
        raise NotImplementedError

    def forward_backward(self, batch: Mapping[str, Any]) -> Mapping[str, float]:
        """One training step; returns the numbers to log."""
        raise NotImplementedError

    def model_inference(self, input: torch.Tensor) -> torch.Tensor:
        """Logits (B, C) of a batch."""
        raise NotImplementedError

    def model_zero_grad(self, names: str | list[str] | None = None) -> None:
        """Clear the gradients."""
        for optimizer in self._parts(self._optims, names):
            optimizer.zero_grad()

    def model_backward(self, loss: torch.Tensor) -> None:
        """Compute the gradients of a finite loss."""
        self.detect_anomaly(loss)
        loss.backward()

    def model_update(self, names: str | list[str] | None = None) -> None:
        """Step the optimisers."""
        for optimizer in self._parts(self._optims, names):
            optimizer.step()

    def model_backward_and_update(
        self, loss: torch.Tensor, names: str | list[str] | None = None
    ) -> None:
        """One optimisation step."""
        self.model_zero_grad(names)
        self.model_backward(loss)
        self.model_update(names)
