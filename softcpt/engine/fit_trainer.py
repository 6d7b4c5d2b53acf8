"""The trainer of methods that are fitted to image features at once, task by task, in place of
epochs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from softcpt import selection
from softcpt.engine.batches import labels_of
from softcpt.engine.trainer import PromptTrainer
from softcpt.errors import UserError
from softcpt.prompters.feature_classifier import FeatureClassifier

_log = logging.getLogger(__name__)


class FitTrainer(PromptTrainer):
    """Fits a :class:`softcpt.prompters.feature_classifier.FeatureClassifier` to features of the
    test-time transform.

    The images are the few-shot draw that the other methods train on; the published linear-probe
    scripts draw their own, with numpy. What was fitted is kept after each task, so a run that was
    stopped goes on with the next one.
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
        """Fit the tasks that are left, one after the other, and keep each."""
        train = self._features(self.dataset.train_x)
        val = self._features(self._validation() if self.prompter.uses_validation else ())
        for task in tqdm(range(self.start_epoch, len(self.tasks)), "tasks"):
            for name, chosen in self.prompter.fit(*train, *val, [task]).items():
                shown = ", ".join(f"{key} {value:.4g}" for key, value in chosen.items())
                tqdm.write(f"{name}: {shown}")
                if self.selected:
                    self.selected["value"][name] = chosen[self.prompter.selects]
            self.save_run(task + 1)

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

    @torch.no_grad()
    def _features(self, items: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """(N, D) features and (N,) labels of images under the test-time transform."""
        if items and labels_of(items).dim() > 1:
            raise UserError(
                f"{self.method}: it is fitted to images of one class each, and some of these have "
                "several; leave their data set out, or choose a method that learns a prompt"
            )
        features, labels = [torch.empty(0, self.clip.embed_dim)], [torch.empty(0, dtype=torch.long)]
        if items:
            for batch in self.batches.make(items, train=False):
                features.append(self.encode(batch).cpu())
                labels.append(batch["label"])
        return torch.cat(features), torch.cat(labels)
