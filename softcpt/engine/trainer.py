"""The Dassl trainer of all methods: builds data and learner from the configuration, and lets
Dassl's loop drive the learner (softcpt/engine/learner.py).

A method's trainer is a registered subclass that names it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from yacs.config import CfgNode

from softcpt import selection
from softcpt.engine.resumable import ResumableTrainer  # first: it finds who provides dassl

# isort: split
from dassl.data.datasets import build_dataset
from dassl.utils import count_num_param

from softcpt.engine import config
from softcpt.engine.balance_settings import BalanceSettings
from softcpt.engine.described import described
from softcpt.engine.early_stop import EarlyStop, refuse_without_validation
from softcpt.engine.evaluator import OWN_EVALUATORS
from softcpt.engine.learner import Learner
from softcpt.engine.leave_artefact import leave_artefact
from softcpt.engine.lookahead import Lookahead
from softcpt.engine.measuring import Tested, zero_shot
from softcpt.engine.optimisers import optimiser_and_schedule
from softcpt.engine.predictions import leave_predictions
from softcpt.engine.results import Origin, Run, recorded
from softcpt.engine.run_inputs import (
    BatchMaker,
    RunData,
    items_of,
    model_of,
    named_splits,
    open_bank,
    root_of,
    tasks_of,
)
from softcpt.engine.run_table import write_results
from softcpt.engine.task_balance import TaskBalance
from softcpt.errors import UserError
from softcpt.prompters import METHODS, TaskClassifier, build_prompter, variant_name
from softcpt.engine.steps import with_epochs_of
from softcpt.task_results import TaskResult, overall, print_results
from softcpt.utils import parallel
from softcpt.utils.console import show_messages
from softcpt.utils.paced import Paced
from softcpt.utils.seeding import seed_everything
from softcpt.utils.stopwatch import Stopwatch
from softcpt.utils.tf32 import set_tf32

_log = logging.getLogger(__name__)


class _EndOfTraining(Exception):  # noqa: N818 - it is no error
    """Leaves Dassl's loop, which counts to its last epoch whatever happens."""


class PromptTrainer(ResumableTrainer):
    """Trains (or only tests) one method on all tasks of a data set.

    Attributes:
        method: name for :func:`softcpt.build_method`.
        by_steps: whether an optimiser trains it, epoch by epoch.
        tested: by split and method what was reached.
        validated: the figure that counts of the last test on validation images.
        unbalanced: why the balance of tasks that is asked for cannot be; None: it can.
    """

    by_steps = True

    def __init__(self, cfg: CfgNode) -> None:
        show_messages()  # Dassl's loop prints, and so does what it calls here
        set_tf32(cfg.USE_TF32)  # again: other code's train.py builds trainers, too
        self.given_cfg = cfg
        self.method = self.method_name(cfg)
        self.watch = Stopwatch()
        self.tested: dict[str, dict[str, Tested]] = {}
        self.loaded = self.source = self.selected = None
        self.saving = Paced()
        self.validated: float | None = None
        self.unbalanced: UserError | None = None
        super().__init__(cfg)  # builds everything, through the hooks below

    # -- what a method may say otherwise -----------------------------------------------------------

    def method_name(self, cfg: CfgNode) -> str:
        """The method by its variant's name, so that results of two are not taken for one's."""
        if not self.method:
            return ""
        return variant_name(self.method, config.method_options(cfg, self.method))

    def method_options(self) -> dict[str, Any]:
        """Keyword options of ``build_method``."""
        return config.method_options(self.cfg, self.method)

    def precision(self) -> str:
        """Of the towers: fp32, fp16, bf16 or amp."""
        return str(self.cfg.TRAINER[config.node_name(self.method)].PREC)

    def figure_that_counts(
        self,
        figures: Mapping[str, float],
        results: Sequence[TaskResult],  # noqa: ARG002 - for those that count one task
    ) -> float:
        """Of a test's figures and tasks the figure that epochs are compared by: the first."""
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
        kind, dataset = METHODS[self.method][0], build_dataset(self.cfg)
        items = items_of(dataset, self.cfg)
        # Dassl's hooks ask self.cfg for FINAL_MODEL.
        self.cfg = cfg = selection.settled(
            self.cfg, items["val"], items["test"], tell=self.learns and self.by_steps
        )
        self.clip = model_of(cfg, self.precision(), self.device)
        if kind.prompts_images and cfg.FEATURES.MODE == "bank":
            _log.info(
                f"{self.method} prompts the image tower: images are encoded at every step, for "
                "zero-shot alone from the feature bank"
            )
        tasks, bank = tasks_of(dataset, cfg), open_bank(cfg, self.clip, kind)
        maker = BatchMaker(cfg, bank, kind.prompts_images, tasks=tasks)
        self.data = data = RunData(items, tasks, maker, root_of(dataset, cfg))
        self.cfg = with_epochs_of(cfg, data.train, data.tasks.num_classes)
        self.max_epoch = self.cfg.OPTIM.MAX_EPOCH
        self.dataset, self.tasks = dataset, data.tasks
        # Dassl's names.
        self.train_loader_x, self.val_loader, self.test_loader = data.train, data.val, data.test
        self.train_loader_u = None
        self.num_classes, self.num_source_domains = self.tasks.num_classes, len(self.tasks)
        self.lab2cname = dict(enumerate(self.tasks.class_names))

    def build_model(self) -> None:
        """Method, optimiser and schedule."""
        cfg = self.cfg
        seed_everything(cfg.SEED)  # the start does not depend on what reading the data drew
        method = build_prompter(self.method, self.clip, self.tasks, **self.method_options())
        self.optim = self.sched = None
        balance = self._balance_of(method)
        if self.by_steps and any(True for _ in method.parameters()):
            self.optim, self.sched = optimiser_and_schedule(method, balance, cfg)
            if cfg.TRAIN.EARLY_STOP:
                self.early_stop = EarlyStop(cfg.TRAIN.EARLY_STOP)
            self.data.train.print_left_out()
        repeats = method.reference_steps if cfg.OPTIM.REFERENCE_SCHEDULE else 1
        every = cfg.TRAIN.LOOKAHEAD
        self.learner = Learner(
            method,
            self.optim,
            self.sched,
            seed=cfg.SEED,
            repeats=repeats,
            watch=self.watch,
            balance=balance,
            lookahead=Lookahead(every, self.data.val) if every else None,
            graph=cfg.OPTIM.GRAPH,
        )
        self.register_model("prompt_learner", method, self.optim, self.sched)
        _log.info(
            f"{self.method} on {self.clip.name} ({self.clip.precision}, {self.device}): "
            f"{len(self.tasks)} task(s), {self.num_classes} classes, "
            f"{count_num_param(method):,} trainable parameters"
        )
        for line in described(self.clip, self.tasks):
            _log.info(line)

    def _balance_of(self, method: TaskClassifier) -> TaskBalance | None:
        """What MULTITASK asks for. A test alone needs none, and may be on a single task: what
        cannot be is refused when training begins."""
        settings = BalanceSettings.of(self.cfg)
        try:
            return TaskBalance(settings, method) if settings.asked else None
        except UserError as error:
            self.unbalanced = error
            return None

    # -- training ----------------------------------------------------------------------------------

    def train(self) -> None:
        """Dassl's loop, or less of it with ``TRAIN.EARLY_STOP``."""
        try:
            super().train()
        except _EndOfTraining:
            self.after_train()

    def before_train(self) -> None:
        """Have the features of the images that will be tested: one that cannot be read ends the run
        now, not after training."""
        self.refuse_training()
        super().before_train()
        if not self.cfg.TEST.NO_TEST:
            with self.watch.section("image"):
                for split in self.data.splits:
                    self.data.split(split)[1].open()

    def refuse_training(self) -> None:
        """Refuse to train where the data and the method do not allow what is asked for.

        Raises:
            UserError: the balance of tasks has no meaning, or nothing says when to stop early.
            OSError: the folder of the feature bank cannot be made.
        """
        if self.unbalanced is not None:
            raise self.unbalanced
        if self.early_stop is not None:
            items = self.data.items
            refuse_without_validation("TRAIN.EARLY_STOP", items["val"], items["test"])
        if self.cfg.FEATURES.MODE == "bank":
            self.data.maker.bank.folder.mkdir(parents=True, exist_ok=True)

    def before_epoch(self) -> None:
        """Seed from (seed, epoch) and open the epoch's view."""
        self.learner.begin_epoch(self.epoch, self.data.train)

    def forward_backward(self, batch: Mapping[str, Any]) -> dict[str, float]:
        """One training step."""
        step = self.learner.step(batch)
        if self.batch_idx + 1 == self.num_batches:
            self.update_lr()
        return {"loss": step.loss, "acc": step.accuracy}

    def update_lr(self, names: str | list[str] | None = None) -> None:  # noqa: ARG002 - Dassl's
        """Step the schedule at an epoch's end."""
        self.learner.update_rate()

    def after_epoch(self) -> None:
        """Validate and save as configured, then keep what an exact continuation needs."""
        self.learner.end_epoch()
        self.validated = None
        super().after_epoch()
        done = self.epoch + 1
        ends = self._ends_early(done)
        # A long save of a large prompt after every short epoch would be felt.
        self.saving(lambda: self.save_run(done), always=done == self.max_epoch)
        if ends:
            raise _EndOfTraining

    def _ends_early(self, done: int) -> bool:
        """Whether training ends after ``done`` epochs, though more were to come; then this epoch is
        the last, and is saved as such."""
        stop = self.early_stop
        if stop is None:
            return False
        if self.validated is None:
            self.test("val")
        assert self.validated is not None  # by test
        stop.add(done, self.validated)
        if not stop.stops or done == self.max_epoch:
            stop.stopped_after = None
            return False
        _log.info(
            f"TRAIN.EARLY_STOP: {stop.best:.2f} on validation after epoch {stop.best_epoch} was "
            f"not exceeded in {stop.patience} epochs, so epoch {done} is the last"
        )
        self.max_epoch = done
        if self.cfg.TEST.FINAL_MODEL == "last_step":
            self.selected = selection.of_epoch(done, "val")
        self.save_model(self.epoch, self.output_dir)
        return True

    def after_train(self) -> None:
        """Test, then write results.json and print the table."""
        # SoftCPT's result parser waits for this line, Dassl's for "Finish training".
        _log.info("Finished training")
        super().after_train()
        if not self.cfg.TEST.NO_TEST:
            self.report(trained=True)
        elif parallel.is_main():
            self._leave_artefact(self._recorded(trained=True, predictions=None))

    def init_writer(self, log_dir: str) -> None:
        """Open a tensorboard writer, in the first process."""
        if parallel.is_main():
            super().init_writer(log_dir)

    # -- tests -------------------------------------------------------------------------------------

    def test(self, split: str | None = None) -> float:
        """Test on ``split``, or on all that ``TEST.SPLIT`` names; returns the (last) overall
        metric."""
        reached = [self._test_on(name) for name in ([split] if split else self.data.splits)]
        figure = parallel.broadcast_from_main(reached[-1])
        if split == "val":
            self.validated = figure
        return figure

    def _test_on(self, split: str) -> float:
        split, batches = self.data.split(split)
        _log.info(f"testing on {split}")
        # An evaluator of other code is given what it counts.
        other = None if self.cfg.TEST.EVALUATOR in OWN_EVALUATORS else self.evaluator
        if other is not None:
            other.reset()
        reached = self.learner.evaluate(batches, None if other is None else other.process)
        self.tested.setdefault(split, {})[self.method] = reached
        if other is None:
            print_results(reached.results, self.cfg.TEST.PER_TASK_RESULT and len(self.tasks) > 1)
        figures = overall(reached.results) if other is None else other.evaluate()
        for name, value in figures.items():
            self.write_scalar(f"{split}/{name}", value, self.epoch)
        return self.figure_that_counts(figures, reached.results)

    def report(self, trained: bool) -> None:
        """Zero-shot beside what was reached, as a table and as results.json; ``trained``: by this
        very run."""
        for split in self.data.splits:
            if "ZeroShot" not in self.tested[split]:
                batches = self.data.frozen(split)
                frozen = zero_shot(self.clip, self.tasks, batches, self.watch)
                self.tested[split] = {"ZeroShot": frozen, **self.tested[split]}
        if parallel.is_main():
            split = self.data.splits[-1]
            predictions = leave_predictions(self.output_dir, self.data, self.tested[split])
            run = self._recorded(trained, predictions)
            # results.json comes last: with it a run counts as done.
            self._leave_artefact(run)
            write_results(run, self.output_dir)

    def _recorded(self, trained: bool, predictions: str | None) -> Run:
        origin = Origin(trained, self.loaded, self.source, self.selected)
        return recorded(
            self.method,
            self.given_cfg,
            self.data,
            self.learner,
            self.tested,
            origin,
            predictions,
            self.early_stop if trained else None,
        )

    def _leave_artefact(self, run: Run) -> None:
        leave_artefact(run, self.prompter, self.data, self.output_dir)
