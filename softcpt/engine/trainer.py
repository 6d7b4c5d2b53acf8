"""The Dassl trainer of all methods: data, model, the training step, tests, and exact continuation.

A method's trainer is a registered subclass that names it. From a step to the loss:
``forward_backward`` -> the method's ``loss`` (softcpt/prompters) -> ``TaskSet.restrict``.

Every epoch seeds the generators from (run's seed, epoch). So a run that was killed continues bit
for bit, and all methods of a comparison see the same batches of the same views.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from yacs.config import CfgNode

from softcpt import selection
from softcpt.engine.resumable import ResumableTrainer  # first: it finds who provides dassl

# isort: split
from dassl.data.datasets import build_dataset
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import count_num_param, set_random_seed

from softcpt.engine import config
from softcpt.engine.batches import Batches, features_of
from softcpt.engine.described import described
from softcpt.engine.evaluator import ClassificationMT
from softcpt.engine.leave_artefact import leave_artefact
from softcpt.engine.measuring import classified, in_item_order, named_splits, zero_shot
from softcpt.engine.predictions import remove_predictions, wanted, write_predictions
from softcpt.engine.results import Run, write_results
from softcpt.engine.run_inputs import BatchMaker, model_of, open_bank, tasks_of
from softcpt.errors import UserError
from softcpt.prompters import METHODS, build_prompter, variant_name
from softcpt.ranking import Ranked
from softcpt.task_results import TaskResult
from softcpt.utils import parallel
from softcpt.utils.console import show_messages
from softcpt.utils.stopwatch import Stopwatch

_log = logging.getLogger(__name__)


class PromptTrainer(ResumableTrainer):
    """Trains (or only tests) one method on all tasks of a data set.

    Attributes:
        method: name for :func:`softcpt.build_prompter`.
        by_steps: whether an optimiser trains it, epoch by epoch.
        results: by split and method the figures of every task.
        ranked: by split and method the best classes of every image, in the items' order.
    """

    by_steps = True

    def __init__(self, cfg: CfgNode) -> None:
        show_messages()  # Dassl's loop prints, and so does what it calls here
        self.given_cfg = cfg
        self.method = self.method_name(cfg)
        self.watch = Stopwatch()
        self.curve = []
        self.results: dict[str, dict[str, list[TaskResult]]] = {}
        self.ranked: dict[str, dict[str, Ranked]] = {}
        self.loaded = self.source = self.selected = None
        self._step_losses: list[float] = []
        self._last_save = (time.monotonic(), 0.0)
        super().__init__(cfg)  # builds everything, through the hooks below

    # -- what a method may say otherwise -----------------------------------------------------------

    def method_name(self, cfg: CfgNode) -> str:
        """The method by its variant's name, so that results of two are not taken for one's."""
        if not self.method:
            return ""
        return variant_name(self.method, config.method_options(cfg, self.method))

    def method_options(self) -> dict[str, Any]:
        """Keyword options of ``build_prompter``."""
        return config.method_options(self.cfg, self.method)

    def precision(self) -> str:
        """Of the towers: fp32, fp16, bf16 or amp."""
        return str(self.cfg.TRAINER[config.node_name(self.method)].PREC)

    def figure_that_counts(self, figures: Mapping[str, float]) -> float:
        """Of a test's figures the one that epochs are compared by: the first."""
        return next(iter(figures.values()))

    # -- what a run is built from ------------------------------------------------------------------

    def check_cfg(self, cfg: CfgNode) -> None:
        """Refuse settings that do not fit; called first by Dassl."""
        if cfg.FEATURES.MODE not in ("bank", "online"):
            raise UserError(f"FEATURES.MODE is '{cfg.FEATURES.MODE}': choose bank or online")
        named_splits(cfg)
        selection.check_final_model(cfg)

    def build_data_loader(self) -> None:
        """The data set's batches, as features from the bank or as images."""
        cfg, kind = self.cfg, METHODS[self.method][0]
        self.dataset = dataset = build_dataset(cfg)
        # Dassl's hooks ask self.cfg for FINAL_MODEL.
        self.cfg = selection.settled(
            cfg, dataset.val, dataset.test, tell=self.learns and self.by_steps
        )
        self.tasks = tasks_of(dataset, cfg)
        self.clip = model_of(cfg, self.precision(), self.device)
        if kind.prompts_images and cfg.FEATURES.MODE == "bank":
            _log.info(
                f"{self.method} prompts the image tower: images are encoded at every step, for "
                "zero-shot alone from the feature bank"
            )
        self.bank = open_bank(cfg, self.clip, kind)
        self.batches = BatchMaker(cfg, self.bank, kind.prompts_images)
        self.train_loader_x = self.batches.make(dataset.train_x, train=True)
        self.train_loader_u = None
        self.val_loader = self.batches.make(dataset.val, train=False) if dataset.val else None
        self.test_loader = self.batches.make(dataset.test, train=False)
        self.num_classes, self.num_source_domains = self.tasks.num_classes, len(self.tasks)
        self.lab2cname = dict(enumerate(self.tasks.class_names))

    def build_model(self) -> None:
        """Method, optimiser and schedule."""
        cfg = self.cfg
        set_random_seed(cfg.SEED)  # the start does not depend on what reading the data drew
        self.prompter = build_prompter(self.method, self.clip, self.tasks, **self.method_options())
        self.optim = self.sched = None
        if self.by_steps and any(True for _ in self.prompter.parameters()):
            self.optim = build_optimizer(self.prompter, cfg.OPTIM)
            self.sched = build_lr_scheduler(self.optim, cfg.OPTIM)
        self.repeats = self.prompter.reference_steps if cfg.OPTIM.REFERENCE_SCHEDULE else 1
        amp_on_gpu = self.clip.precision == "amp" and self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=amp_on_gpu)
        self.register_model("prompt_learner", self.prompter, self.optim, self.sched)
        _log.info(
            f"{self.method} on {self.clip.name} ({self.clip.precision}, {self.device}): "
            f"{len(self.tasks)} task(s), {self.num_classes} classes, "
            f"{count_num_param(self.prompter):,} trainable parameters"
        )
        for line in described(self.clip, self.tasks):
            _log.info(line)

    # -- training ----------------------------------------------------------------------------------

    def before_epoch(self) -> None:
        """Seed from (seed, epoch) and open the epoch's view."""
        digest = hashlib.sha256(f"{self.cfg.SEED} {self.epoch}".encode()).digest()
        set_random_seed(int.from_bytes(digest[:4], "big"))
        parallel.sync_parameters(self.prompter)
        self.train_loader_x.epoch = self.epoch
        with self.watch.section("image"):
            self.train_loader_x.open()

    def encode(self, batch: Mapping[str, Any]) -> Tensor:
        """Image features of a batch as the method takes them: (B, D), or (B, 1 + M, D)."""
        with self.watch.section("image"):
            return features_of(batch, self.prompter)

    def forward_backward(self, batch: Mapping[str, Any]) -> dict[str, float]:
        """One training step."""
        features, labels = self.encode(batch), batch["label"].to(self.device)
        with self.watch.section("text"):
            loss, accuracy = self.prompter.loss(features, labels)
            self.model_zero_grad()
            self.detect_anomaly(loss)
        # Counted for the tower where most of the backward pass is.
        with self.watch.section("image" if self.prompter.prompts_images else "text"):
            self._step(loss)
        self._step_losses.append(loss.item())
        if self.batch_idx + 1 == self.num_batches:
            self.update_lr()
        return {"loss": loss.item(), "acc": accuracy.item()}

    def _step(self, loss: Tensor) -> None:
        """Backward pass and optimiser."""
        if self.optim is None:
            raise UserError(f"{self.method}: it has no parameters that steps could train")
        torch.autograd.backward(self.scaler.scale(loss))
        for _ in range(1 if self.clip.precision == "amp" else self.repeats):
            self.scaler.step(self.optim)
        self.scaler.update()

    def detect_anomaly(self, loss: Tensor) -> None:
        """A loss that is not finite ends the run with what to do about it."""
        if not torch.isfinite(loss):
            raise UserError(
                f"loss is {loss.item()} in epoch {self.epoch + 1} at precision "
                f"{self.clip.precision}; lower OPTIM.LR, or use PREC fp32, bf16 or amp"
            )

    def update_lr(self, names: str | list[str] | None = None) -> None:
        """Step the schedule at an epoch's end; with ``OPTIM.REFERENCE_SCHEDULE`` as often as the
        published code does.

        That code registers one optimiser and one schedule under several names and steps them under
        each: the optimiser takes k steps per batch with the same gradient (one under amp), the
        schedule k per epoch.
        """
        for _ in range(self.repeats):
            super().update_lr(names)

    def after_epoch(self) -> None:
        """Validate and save as configured, then keep what an exact continuation needs."""
        losses, self._step_losses = self._step_losses, []
        self.curve.append({"epoch": self.epoch + 1, "loss": sum(losses) / len(losses)})
        super().after_epoch()
        # A long save of a large prompt after every short epoch would be felt: spend at most a
        # twentieth on it.
        saved, duration = self._last_save
        start = time.monotonic()
        if self.epoch + 1 == self.max_epoch or start - saved >= 20 * duration:
            self.save_run(self.epoch + 1)
            self._last_save = (time.monotonic(), time.monotonic() - start)

    def after_train(self) -> None:
        """Test, then write results.json and print the table."""
        # SoftCPT's result parser waits for this line, Dassl's for "Finish training".
        _log.info("Finished training")
        super().after_train()
        if not self.cfg.TEST.NO_TEST:
            self.report(trained=True)
        leave_artefact(self)

    def init_writer(self, log_dir: str) -> None:
        """Open a tensorboard writer, in the first process."""
        if parallel.is_main():
            super().init_writer(log_dir)

    # -- tests -------------------------------------------------------------------------------------

    @property
    def splits(self) -> list[str]:
        """What TEST.SPLIT names, the last being the one that counts; "val" without validation
        images is test."""
        return list(dict.fromkeys(self._split(name)[0] for name in named_splits(self.cfg)))

    def _split(self, name: str) -> tuple[str, Batches]:
        if name == "val" and self.val_loader is not None:
            return "val", self.val_loader
        return "test", self.test_loader

    def test(self, split: str | None = None) -> float:
        """Test on ``split``, or on all of :attr:`splits`; returns the (last) overall metric."""
        reached = [self._test_on(name) for name in ([split] if split else self.splits)]
        return parallel.broadcast_from_main(reached[-1])

    @torch.no_grad()
    def _test_on(self, split: str) -> float:
        self.set_model_mode("eval")
        split, batches = self._split(split)
        _log.info(f"testing on {split}")
        if self.cfg.TEST.EVALUATOR in ("Classification", "ClassificationMT"):
            self.evaluator = ClassificationMT(self.cfg, tasks=self.tasks)
        self.evaluator.reset()
        places = []
        for logits, labels, index in classified(self.prompter, batches, self.watch):
            self.evaluator.process(logits, labels)
            places.append(index)
        figures = self.evaluator.evaluate()
        reached = self.results.setdefault(split, {})
        if isinstance(self.evaluator, ClassificationMT):
            reached[self.method] = self.evaluator.results
            ranked = in_item_order(self.evaluator.ranked(), places)
            self.ranked.setdefault(split, {})[self.method] = ranked
        for name, value in figures.items():
            self.write_scalar(f"{split}/{name}", value, self.epoch)
        return self.figure_that_counts(figures)

    def report(self, trained: bool) -> None:
        """Zero-shot beside what was reached, as a table and as results.json; ``trained``: by this
        very run."""
        for split in self.splits:
            if "ZeroShot" not in self.results[split]:
                batches = self._split(split)[1]
                if self.prompter.prompts_images:
                    batches = self.batches.make(batches.items, train=False, prompts_images=False)
                reached, ranked = zero_shot(self.clip, self.tasks, batches, self.watch)
                self.results[split] = {"ZeroShot": reached, **self.results[split]}
                self.ranked[split] = {"ZeroShot": ranked, **self.ranked.get(split, {})}
        if parallel.is_main():
            self._write_predictions()
            write_results(Run.of(self, trained), self.output_dir)

    @property
    def writes_predictions(self) -> bool:
        """Whether predictions.npz is written: ``TEST.PREDICTIONS`` says so, and the sampler of
        tests gave every image once."""
        split = self.splits[-1]
        count = len(self._split(split)[1].items)
        whole = all(len(ranked.labels) == count for ranked in self.ranked[split].values())
        return whole and wanted(self.cfg.TEST.PREDICTIONS, count)

    def _write_predictions(self) -> None:
        """Of the split that counts."""
        split = self.splits[-1]
        if not self.writes_predictions:
            remove_predictions(self.output_dir)
            setting, count = self.cfg.TEST.PREDICTIONS, len(self._split(split)[1].items)
            _log.info(f"No predictions.npz (TEST.PREDICTIONS {setting}, {count:,} images)")
            return
        paths = [os.path.relpath(path, self.data_root) for path in self._split(split)[1].paths]
        write_predictions(self.output_dir, split, self.tasks, paths, self.ranked[split])
