"""The trainer of methods that are fitted to image features at once, in place of epochs."""

from __future__ import annotations

from typing import cast

from softcpt.engine.head_fitting import HeadFitting
from softcpt.engine.trainer import PromptTrainer
from softcpt.prompters.feature_classifier import FeatureClassifier


class FitTrainer(PromptTrainer):
    """Fits a :class:`softcpt.prompters.feature_classifier.FeatureClassifier`
    (softcpt/engine/head_fitting.py).

    The images are the few-shot draw that the other methods train on; the published linear-probe
    scripts draw their own, with numpy. What was fitted is kept after each task, so a run that was
    stopped goes on with the next one.
    """

    by_steps = False

    def train(self) -> None:
        """Fit every task, save, test."""
        self.before_train()
        method, data = cast(FeatureClassifier, self.prompter), self.data
        fitting = HeadFitting(method, data.maker, self.watch, self.selected)

        def keep(done: int) -> None:
            self.selected = fitting.selected
            self.save_run(done)

        items = data.items
        fitting.fit(items["train"], items["val"], items["test"], self.start_epoch, keep)
        self.selected = fitting.selected
        self.save_model(0, self.output_dir)
        self.after_train()
