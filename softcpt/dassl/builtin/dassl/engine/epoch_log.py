"""The lines and curves of one epoch."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

from dassl.utils import AverageMeter, MetricMeter
from tqdm import tqdm


class EpochLog:
    """Clocks and averages of the running epoch of ``trainer``."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.losses = MetricMeter()
        self.batch_time = AverageMeter()
        self.data_time = AverageMeter()
        self._start = time.time()

    def data_ready(self) -> None:
        """The batch has been read."""
        self.data_time.update(time.time() - self._start)

    def step_done(self, summary: Mapping[str, float] | None) -> None:
        """The training step is over: average, print when due, write curves."""
        trainer = self.trainer
        self.batch_time.update(time.time() - self._start)
        self.losses.update(summary)
        frequency = trainer.cfg.TRAIN.PRINT_FREQ
        if (trainer.batch_idx + 1) % frequency == 0 or trainer.num_batches < frequency:
            # Not print: a bar may stand on the line.
            tqdm.write(self._line())
        step = trainer.epoch * trainer.num_batches + trainer.batch_idx
        for name, meter in self.losses.meters.items():
            trainer.write_scalar(f"train/{name}", meter.avg, step)
        trainer.write_scalar("train/lr", trainer.get_current_lr(), step)
        self._start = time.time()

    def _line(self) -> str:
        """Dassl's line, which parsers read."""
        trainer, batch, data = self.trainer, self.batch_time, self.data_time
        epochs_left = trainer.max_epoch - trainer.epoch - 1
        batches_left = (
            trainer.num_batches - trainer.batch_idx - 1 + epochs_left * trainer.num_batches
        )
        return (
            f"epoch [{trainer.epoch + 1}/{trainer.max_epoch}] "
            f"batch [{trainer.batch_idx + 1}/{trainer.num_batches}] "
            f"time {batch.val:.3f} ({batch.avg:.3f}) "
            f"data {data.val:.3f} ({data.avg:.3f}) "
            f"{self.losses} "
            f"lr {trainer.get_current_lr():.4e} "
            f"eta {datetime.timedelta(seconds=int(batch.avg * batches_left))}"
        )
