"""A trainer with data, checkpoints and tests, lacking only what happens in an epoch."""

from __future__ import annotations

import datetime
import math
import os
import time
from collections.abc import Mapping
from typing import Any

import torch
from dassl.data import DataManager
from dassl.evaluation import build_evaluator
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import count_num_param, load_checkpoint, load_pretrained_weights
from dassl.utils.torchtools import BEST
from torch import nn
from torch.utils.data import DataLoader
from yacs.config import CfgNode

from softcpt.selection import check_final_model, settled

from .base import TrainerBase
from .net import SimpleNet
from .progress import progress

# What a data manager knows and trainers look up in themselves.
_OF_THE_DATA = (
    "train_loader_x",
    "train_loader_u",
    "val_loader",
    "test_loader",
    "num_classes",
    "num_source_domains",
    "lab2cname",
)


class SimpleTrainer(TrainerBase):
    """Builds data, model and evaluator from a configuration, saves and tests as the configuration
    says."""

    epoch = start_epoch = 0
    num_batches = batch_idx = 0
    best_result = -math.inf
    # The data manager's, or those of an override of build_data_loader.
    train_loader_x: DataLoader[Any]
    train_loader_u: DataLoader[Any] | None
    val_loader: DataLoader[Any] | None
    test_loader: DataLoader[Any]
    num_classes: int
    num_source_domains: int
    lab2cname: dict[int, str]

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        check_final_model(cfg)
        self.check_cfg(cfg)
        self.cfg, self.output_dir, self.max_epoch = cfg, cfg.OUTPUT_DIR, cfg.OPTIM.MAX_EPOCH
        self.device = torch.device("cuda" if cfg.USE_CUDA and torch.cuda.is_available() else "cpu")
        self.build_data_loader()
        self.cfg = self._settled()
        self.build_model()
        self.evaluator = build_evaluator(cfg, lab2cname=self.lab2cname)

    def check_cfg(self, cfg: CfgNode) -> None:
        """Hook: refuse settings that the trainer cannot work with."""

    def build_data_loader(self) -> None:
        """Set the loaders and what is known of the classes. An override sets the same, ``dm``
        apart."""
        self.dm = DataManager(self.cfg)
        for name in _OF_THE_DATA:
            setattr(self, name, getattr(self.dm, name))

    def _settled(self) -> CfgNode:
        """The settings, with the last step for the best on validation where that would be chosen on
        test images."""
        dm = getattr(self, "dm", None)
        if dm is not None:
            return settled(self.cfg, dm.dataset.val, dm.dataset.test)
        # An override of build_data_loader without a data manager: its images are not known, only
        # its loaders.
        return settled(self.cfg, None, ()) if self.val_loader is None else self.cfg

    def build_model(self) -> None:
        """Build and register the model. The default is a SimpleNet under the name "model"."""
        settings = self.cfg.MODEL
        net = SimpleNet(self.cfg, settings, self.num_classes)
        if settings.INIT_WEIGHTS:
            load_pretrained_weights(net, settings.INIT_WEIGHTS)
        net.to(self.device)
        self.optim = build_optimizer(net, self.cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, self.cfg.OPTIM)
        self.register_model(model=net, optim=self.optim, sched=self.sched)
        gpus = torch.cuda.device_count() if self.device.type == "cuda" else 0
        print(
            f"model of {count_num_param(net):,} parameters on {gpus or 'no'} "
            f"GPU{'' if gpus == 1 else 's'}"
        )
        # What is registered, and so saved, is the network itself.
        self.model = nn.DataParallel(net) if gpus > 1 else net

    def train(self) -> None:  # type: ignore[override]  # Dassl's signatures
        """Train from the start, or from the last checkpoint, to the last epoch."""
        super().train(self.start_epoch, self.max_epoch)

    def before_train(self) -> None:
        """Continue from RESUME or OUTPUT_DIR if there is something, open the writer, start the
        clock."""
        folder = self.cfg.RESUME or self.cfg.OUTPUT_DIR
        self.start_epoch = self.resume_model_if_exist(folder)
        if self.start_epoch > 0 and self._validates:
            self._recall_best(folder)
        self.init_writer(os.path.join(self.output_dir, "tensorboard"))
        self.time_start = time.time()

    @property
    def _validates(self) -> bool:
        """Whether the model that counts is the best on validation, not the last."""
        return self.cfg.TEST.FINAL_MODEL == "best_val" and not self.cfg.TEST.NO_TEST

    def _recall_best(self, folder: str) -> None:
        """A resumed run must not replace the best model by a worse one."""
        path = os.path.join(folder, self.get_model_names()[0], BEST)
        if os.path.exists(path):
            result = load_checkpoint(path).get("val_result")
            self.best_result = -math.inf if result is None else result

    def after_epoch(self) -> None:
        """Validate and save as TEST.FINAL_MODEL and TRAIN.CHECKPOINT_FREQ say; the last epoch is
        always saved."""
        if self._validates:
            self._keep_if_best(self.test(split="val"))
        done, every = self.epoch + 1, self.cfg.TRAIN.CHECKPOINT_FREQ
        if done == self.max_epoch or (every > 0 and done % every == 0):
            self.save_model(self.epoch, directory=self.output_dir)

    def _keep_if_best(self, result: float) -> None:
        """Save the model when it beats all before it; of equals the first stays."""
        if result > self.best_result:
            self.best_result = result
            self.save_model(self.epoch, self.output_dir, val_result=result, model_name=BEST)

    def after_train(self) -> None:
        """Test the last or the best model. Result parsers wait for the line "Finish training"."""
        print("Finish training")
        if self._validates:
            self.load_model(directory=self.output_dir)
        if not self.cfg.TEST.NO_TEST:
            self.test()
        print(f"took {datetime.timedelta(seconds=round(time.time() - self.time_start))}")
        self.close_writer()

    @torch.no_grad()
    def test(self, split: str | None = None) -> float:
        """Evaluate on ``split``, by default TEST.SPLIT; return the first of the evaluator's
        results.

        "val" without validation images means the test set.
        """
        name, loader = "test", self.test_loader
        if (split or self.cfg.TEST.SPLIT) == "val" and self.val_loader is not None:
            name, loader = "val", self.val_loader
        print(f"testing on {name}")
        self.set_model_mode(mode="eval")
        self.evaluator.reset()
        for batch in progress(loader, name):
            images, labels = self.parse_batch_test(batch)
            self.evaluator.process(self.model_inference(images), labels)
        measured: dict[str, float] = self.evaluator.evaluate()
        for metric, value in measured.items():
            self.write_scalar(f"{name}/{metric}", value, self.epoch)
        return next(iter(measured.values()))

    def model_inference(self, input: torch.Tensor) -> torch.Tensor:
        """Logits (B, C) of ``self.model``."""
        logits: torch.Tensor = self.model(input)
        return logits

    def parse_batch_test(self, batch: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Images and classes on the device."""
        return batch["img"].to(self.device), batch["label"].to(self.device)

    def get_current_lr(self, names: str | list[str] | None = None) -> float:
        """Learning rate of the first parameter group of the first model."""
        optimizer = self._optims[self.get_model_names(names)[0]]
        return float(optimizer.param_groups[0]["lr"])
