"""Trainers on labelled images, and on labelled and unlabelled ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import torch
from dassl.utils import check_availability
from torch.utils.data import DataLoader

from softcpt.errors import UserError

from .base import TrainerBase
from .epoch_log import EpochLog
from .net import SimpleNet
from .progress import progress
from .simple import SimpleTrainer

__all__ = ["SimpleNet", "SimpleTrainer", "TrainerBase", "TrainerX", "TrainerXU"]


def _run_steps(trainer: SimpleTrainer, batches: Iterable[tuple[Any, ...]], count: int) -> None:
    """Train on ``count`` batches; each is what ``forward_backward`` takes."""
    trainer.set_model_mode(mode="train")
    trainer.num_batches = count
    log = EpochLog(trainer)
    bar = progress(batches, f"epoch {trainer.epoch + 1}/{trainer.max_epoch}", count)
    for index, batch in enumerate(bar):
        trainer.batch_idx = index
        log.data_ready()
        log.step_done(trainer.forward_backward(*batch))


def _alone(loader: DataLoader[Any]) -> Iterator[tuple[Any]]:
    """Each batch as a tuple of one. The loader is opened with the first."""
    for batch in loader:
        yield (batch,)


class TrainerX(SimpleTrainer):
    """Trains on labelled images; a subclass gives ``forward_backward(batch)``."""

    def run_epoch(self) -> None:
        """One pass over the training images."""
        _run_steps(self, _alone(self.train_loader_x), len(self.train_loader_x))

    def parse_batch_train(
        self, batch: Mapping[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images, classes and domains on the device."""
        return (
            batch["img"].to(self.device),
            batch["label"].to(self.device),
            batch["domain"].to(self.device),
        )


class _Endless(Iterator[Any]):
    """The batches of ``loader`` again and again. Opening the first pass draws from torch's
    generator."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        self._batches = iter(loader)

    def __next__(self) -> Any:
        try:
            return next(self._batches)
        except StopIteration:
            self._batches = iter(self._loader)
            return next(self._batches)


class TrainerXU(SimpleTrainer):
    """Trains on labelled and unlabelled images; a subclass gives ``forward_backward(batch_x,
    batch_u)``."""

    def run_epoch(self) -> None:
        """As many steps as TRAIN.COUNT_ITER says; the shorter loader starts again when it is
        exhausted.

        Raises:
            UserError: the data set has no unlabelled images.
        """
        if self.train_loader_u is None:
            raise UserError(
                f"data set {self.cfg.DATASET.NAME}: it has no unlabelled training images, which "
                "this trainer needs; choose another data set or trainer"
            )
        labelled, unlabelled = len(self.train_loader_x), len(self.train_loader_u)
        lengths = {
            "train_x": labelled,
            "train_u": unlabelled,
            "smaller_one": min(labelled, unlabelled),
        }
        check_availability(self.cfg.TRAIN.COUNT_ITER, list(lengths))
        count = lengths[self.cfg.TRAIN.COUNT_ITER]
        pairs = zip(_Endless(self.train_loader_x), _Endless(self.train_loader_u))
        _run_steps(self, islice(pairs, count), count)

    def parse_batch_train(  # type: ignore[override]  # Dassl's signatures
        self, batch_x: Mapping[str, Any], batch_u: Mapping[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Labelled images, their classes, and unlabelled images on the device."""
        return (
            batch_x["img"].to(self.device),
            batch_x["label"].to(self.device),
            batch_u["img"].to(self.device),
        )
