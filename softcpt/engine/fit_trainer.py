"""The trainer of methods that are fitted to image features at once, in place of epochs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, SequentialSampler
from tqdm import tqdm

from softcpt import selection
from softcpt.engine.batches import labels_of
from softcpt.engine.trainer import PromptTrainer
from softcpt.errors import UserError
from softcpt.prompters.feature_classifier import FeatureClassifier

_log = logging.getLogger(__name__)

AUGMENTED_VIEWS = 2  # beside the clean image, where FEATURES.VIEWS leaves it open


class FitTrainer(PromptTrainer):
    """Fits a :class:`softcpt.prompters.feature_classifier.FeatureClassifier` to features of the
    test-time transform, and of augmented views where the method uses them.

    The images are the few-shot draw that the other methods train on; the published linear-probe
    scripts draw their own, with numpy. Views are the other methods' too: ``FEATURES.VIEWS`` of the
    training transform (0: two of them) beside the clean image. What was fitted is kept after each
    task, so a run that was stopped goes on with the next one; a method that is fitted to all tasks
    in seconds is fitted and kept at once.
    """

    by_steps = False
    prompter: FeatureClassifier

    def train(self) -> None:
        """Fit every task, save, test."""
        self.before_train()
        selects = self.prompter.selects
        if selects and not self.selected:
            # A run that an older version began does not say on what.
            on = None if self.start_epoch else "val"
            self.selected = {"what": selects, "on": on, "value": {}}
        if self.start_epoch < len(self.tasks):
            self._fit_tasks()
        self.save_model(0, self.output_dir)
        self.after_train()

    def _fit_tasks(self) -> None:
        """Fit the tasks that are left, and keep each."""
        train = self._features(self.dataset.train_x, views=self._count_views())
        needs_validation = self.prompter.uses_validation or self.prompter.selects
        val = self._features(self._validation() if needs_validation else ())
        left = range(self.start_epoch, len(self.tasks))
        rounds = [list(left)] if self.prompter.all_at_once else [[task] for task in left]
        for tasks in tqdm(rounds, "tasks"):
            for name, chosen in self.prompter.fit(*train, *val, tasks).items():
                shown = ", ".join(f"{key} {value:.4g}" for key, value in chosen.items())
                tqdm.write(f"{name}: {shown}")
                if self.selected:
                    self.selected["value"][name] = self._selected_value(chosen)
            self.save_run(tasks[-1] + 1)

    def _selected_value(self, report: Mapping[str, float]) -> float | dict[str, float]:
        """What was chosen for a task: a number, or several by their names."""
        names = self.prompter.selects.split(", ")
        if len(names) == 1:
            return report[names[0]]
        return {name: report[name] for name in names}

    def _validation(self) -> Sequence[Any]:
        """The validation images; without those that are tested on, if something is chosen on
        them."""
        val: Sequence[Any] = self.dataset.val or []
        if not self.prompter.selects:
            return val
        apart = selection.untested(val, self.dataset.test)
        if len(apart) < len(val):
            _log.info(
                f"{self.method}: {len(val) - len(apart):,} of {len(val):,} validation images are "
                f"test images: {self.prompter.selects} is not chosen on them"
            )
        return apart

    def _count_views(self) -> int:
        """Augmented views of a training image: none where the method or the transform has no use
        for them."""
        if not self.prompter.augmented or self.batches.views() is None:
            return 0
        return self.cfg.FEATURES.VIEWS or AUGMENTED_VIEWS

    @torch.no_grad()
    def _features(self, items: Sequence[Any], views: int = 0) -> tuple[Tensor, Tensor]:
        """(N, D) features of clean images, or with ``views`` (N, 1 + views, D), the augmented ones
        behind; and their labels (N,), or (N, K) where some have several classes."""
        if not items:
            return torch.empty(0, self.clip.embed_dim), torch.empty(0, dtype=torch.long)
        labels = labels_of(items)
        if labels.dim() > 1 and not self.prompter.several_labels:
            raise UserError(
                f"{self.method}: it is fitted to images of one class each, and some of these have "
                "several; leave their data set out, or choose a method that learns a prompt"
            )
        clean = self._view(items, None)
        if not views:
            return clean, labels
        augmented = [self._view(items, view) for view in range(views)]
        return torch.stack([clean, *augmented], dim=1), labels

    def _view(self, items: Sequence[Any], view: int | None) -> Tensor:
        """(N, D) features of clean images, or of one augmented view, in the order of ``items``."""
        batches = self.batches.make(items, train=view is not None)
        size = self.cfg.DATALOADER.TEST.BATCH_SIZE
        batches.order = BatchSampler(SequentialSampler(items), size, drop_last=False)
        batches.epoch = view or 0
        return torch.cat([self.encode(batch).cpu() for batch in batches])
