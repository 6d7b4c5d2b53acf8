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
from torch import nn
from yacs.config import CfgNode

from .base import TrainerBase
from .net import SimpleNet
from .progress import progress


class SimpleTrainer(TrainerBase):
    """Builds data, model and evaluator from a configuration, saves and tests as the configuration says."""

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.check_cfg(cfg)
        self.device = torch.device("cuda" if cfg.USE_CUDA and torch.cuda.is_available() else "cpu")
        self.start_epoch = self.epoch = 0
        self.max_epoch = cfg.OPTIM.MAX_EPOCH
        self.output_dir = cfg.OUTPUT_DIR
        self.cfg = cfg
        self.build_data_loader()
        self.build_model()
        self.evaluator = build_evaluator(cfg, lab2cname=self.lab2cname)
        self.best_result = -math.inf

    def check_cfg(self, cfg: CfgNode) -> None:
        """Hook: refuse settings that the trainer cannot work with."""

    def build_data_loader(self) -> None:
        """Set the loaders and what is known of the classes. An override sets the same, ``dm`` apart."""
        self.dm = DataManager(self.cfg)
        self.train_loader_x = self.dm.train_loader_x
        self.train_loader_u = self.dm.train_loader_u
        self.val_loader = self.dm.val_loader
        self.test_loader = self.dm.test_loader
        self.num_classes = self.dm.num_classes
        self.num_source_domains = self.dm.num_source_domains
        self.lab2cname = self.dm.lab2cname

    def build_model(self) -> None:
        """Build and register the model. The default is a SimpleNet under the name "model"."""
        cfg = self.cfg
        print("Building model")
        self.model = SimpleNet(cfg, cfg.MODEL, self.num_classes)
        if cfg.MODEL.INIT_WEIGHTS:
            load_pretrained_weights(self.model, cfg.MODEL.INIT_WEIGHTS)
        self.model.to(self.device)
        print(f"# params: {count_num_param(self.model):,}")
        self.optim = build_optimizer(self.model, cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, cfg.OPTIM)
        self.register_model("model", self.model, self.optim, self.sched)
        if self.device.type == "cuda" and torch.cuda.device_count() > 1:
            print(f"Detected {torch.cuda.device_count()} GPUs (use nn.DataParallel)")
            self.model = nn.DataParallel(self.model)

    def train(self) -> None:
        """Train from the start, or from the last checkpoint, to the last epoch."""
        super().train(self.start_epoch, self.max_epoch)

    def before_train(self) -> None:
        """Continue from RESUME or OUTPUT_DIR if there is something, open the writer, start the clock."""
        directory = self.cfg.RESUME or self.cfg.OUTPUT_DIR
        self.start_epoch = self.resume_model_if_exist(directory)
        if self.start_epoch > 0:
            self._recall_best(directory)
        self.init_writer(os.path.join(self.output_dir, "tensorboard"))
        self.time_start = time.time()

    def _recall_best(self, directory: str) -> None:
        """A resumed run must not replace the best model by a worse one."""
        best = os.path.join(directory, self.get_model_names()[0], "model-best.pth.tar")
        if self.cfg.TEST.FINAL_MODEL == "best_val" and os.path.exists(best):
            result = load_checkpoint(best).get("val_result")
            self.best_result = -math.inf if result is None else result

    def after_epoch(self) -> None:
        """Validate and save as TEST.FINAL_MODEL and TRAIN.CHECKPOINT_FREQ say; the last epoch is always saved."""
        number = self.epoch + 1
        if not self.cfg.TEST.NO_TEST and self.cfg.TEST.FINAL_MODEL == "best_val":
            result = self.test(split="val")
            if result > self.best_result:
                self.best_result = result
                self.save_model(self.epoch, self.output_dir, val_result=result, model_name="model-best.pth.tar")
        frequency = self.cfg.TRAIN.CHECKPOINT_FREQ
        if number == self.max_epoch or (frequency > 0 and number % frequency == 0):
            self.save_model(self.epoch, self.output_dir)

    def after_train(self) -> None:
        """Test the last or the best model. Result parsers wait for the line "Finish training"."""
        print("Finish training")
        if not self.cfg.TEST.NO_TEST:
            if self.cfg.TEST.FINAL_MODEL == "best_val":
                print("Deploy the model with the best val performance")
                self.load_model(self.output_dir)
            else:
                print("Deploy the last-epoch model")
            self.test()
        print(f"Elapsed: {datetime.timedelta(seconds=round(time.time() - self.time_start))}")
        self.close_writer()

    @torch.no_grad()
    def test(self, split: str | None = None) -> float:
        """Evaluate on ``split``, by default TEST.SPLIT; return the first of the evaluator's results.

        "val" without validation images means the test set.
        """
        self.set_model_mode("eval")
        self.evaluator.reset()
        use_val = (split or self.cfg.TEST.SPLIT) == "val" and self.val_loader is not None
        split, loader = ("val", self.val_loader) if use_val else ("test", self.test_loader)
        print(f"Evaluate on the *{split}* set")
        for batch in progress(loader, f"{split}"):
            input, label = self.parse_batch_test(batch)
            self.evaluator.process(self.model_inference(input), label)
        results = self.evaluator.evaluate()
        for name, value in results.items():
            self.write_scalar(f"{split}/{name}", value, self.epoch)
        return next(iter(results.values()))

    def model_inference(self, input: torch.Tensor) -> torch.Tensor:
        """Logits (B, C) of ``self.model``."""
        return self.model(input)

    def parse_batch_test(self, batch: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Images and classes on the device."""
        return batch["img"].to(self.device), batch["label"].to(self.device)

    def get_current_lr(self, names: str | list[str] | None = None) -> float:
        """Learning rate of the first parameter group of the first model."""
        return self._optims[self.get_model_names(names)[0]].param_groups[0]["lr"]
