"""Fits a method to image features at once, task by task, in place of epochs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, SequentialSampler
from tqdm import tqdm

from softcpt import selection
from softcpt.engine.batches import features_of, labels_of
from softcpt.engine.run_inputs import BatchMaker
from softcpt.errors import UserError
from softcpt.prompters.feature_classifier import FeatureClassifier, Labelled
from softcpt.utils.stopwatch import Stopwatch

_log = logging.getLogger(__name__)

AUGMENTED_VIEWS = 2  # beside the clean image, where FEATURES.VIEWS leaves it open

# Is given the number of tasks that are fitted, after each.
Keep = Callable[[int], None]


@dataclass
class HeadFitting:
    """The tasks of a method that are fitted one after the other.

    Features are those of the test-time transform, and of augmented views where the method uses
    them: ``FEATURES.VIEWS`` of the training transform (0: two of them) beside the clean image. A
    method that is fitted to all tasks in seconds is fitted at once.

    Attributes:
        method: that is fitted.
        maker: makes batches of images.
        watch: counts the time of the image tower.
        selected: what was chosen on validation images, by task; None: nothing is chosen.
        progress: show a progress bar, and what was chosen.
    """

    method: FeatureClassifier
    maker: BatchMaker
    watch: Stopwatch
    selected: dict[str, Any] | None = None
    progress: bool = True

    def fit(
        self,
        train: Sequence[Any],
        val: Sequence[Any] | None,
        test: Sequence[Any],
        done: int = 0,
        keep: Keep | None = None,
    ) -> None:
        """Fit the tasks that are left.

        Args:
            train: training images.
            val: validation images, if there are any.
            test: test images: nothing is chosen on those.
            done: tasks that are fitted already.
            keep: is called after each round of tasks.

        Raises:
            UserError: an image has several classes of a task, and the method is fitted to one; or
                what was fitted is no number.
        """
        method = self.method
        if method.selects and not self.selected:
            # A run that an older version began does not say on what.
            on = None if done else "val"
            self.selected = {"what": method.selects, "on": on, "value": {}}
        left = list(range(done, len(method.tasks)))
        if not left:
            return
        features, labels = self.features(train, views=self._count_views())
        needs_validation = method.uses_validation or method.selects
        choosing = self.features(self._validation(val, test) if needs_validation else ())
        rounds = [left] if method.all_at_once else [[task] for task in left]
        for tasks in tqdm(rounds, "tasks", disable=not self.progress):
            for name, chosen in method.fit(features, labels, *choosing, tasks).items():
                self._note(name, chosen)
            method.refuse_no_numbers("choose other options of the method")
            if keep is not None:
                keep(tasks[-1] + 1)

    def _note(self, task: str, report: Mapping[str, float]) -> None:
        """Print what was chosen and measured for a task, and note what was chosen: a number, or
        several by their names."""
        if self.progress:
            shown = ", ".join(f"{key} {value:.4g}" for key, value in report.items())
            tqdm.write(f"{task}: {shown}")
        if self.selected:
            names = self.method.selects.split(", ")
            chosen = {name: report[name] for name in names}
            self.selected["value"][task] = chosen if len(names) > 1 else chosen[names[0]]

    def _validation(self, val: Sequence[Any] | None, test: Sequence[Any]) -> Sequence[Any]:
        """The validation images; without those that are tested on, if something is chosen on
        them."""
        val = val or []
        if not self.method.selects:
            return val
        apart = selection.untested(val, test)
        if len(apart) < len(val):
            _log.info(
                f"{type(self.method).__name__}: {len(val) - len(apart):,} of {len(val):,} "
                f"validation images are test images: {self.method.selects} is not chosen on them"
            )
        return apart

    def _count_views(self) -> int:
        """Augmented views of a training image: none where the method or the transform has no use
        for them."""
        if not self.method.augmented or self.maker.views() is None:
            return 0
        return self.maker.cfg.FEATURES.VIEWS or AUGMENTED_VIEWS

    @torch.no_grad()
    def features(self, items: Sequence[Any], views: int = 0) -> Labelled:
        """(N, D) features of clean images, or with ``views`` (N, 1 + views, D), the augmented ones
        behind; and their labels (N,), or (N, K) where some have several classes."""
        if not items:
            return torch.empty(0, self.method.clip.embed_dim), torch.empty(0, dtype=torch.long)
        labels = labels_of(items)
        if self.method.tasks.pairs(labels)[1].dim() > 1 and not self.method.several_labels:
            raise UserError(
                f"{type(self.method).__name__}: it is fitted to images of one class each, and some "
                "of these have several; leave their data set out, or choose a method that learns "
                "a prompt"
            )
        clean = self._view(items, None)
        if not views:
            return clean, labels
        augmented = [self._view(items, view) for view in range(views)]
        return torch.stack([clean, *augmented], dim=1), labels

    def _view(self, items: Sequence[Any], view: int | None) -> Tensor:
        """(N, D) features of clean images, or of one augmented view, in the order of ``items``."""
        batches = self.maker.make(items, train=view is not None)
        size = self.maker.cfg.DATALOADER.TEST.BATCH_SIZE
        batches.order = BatchSampler(SequentialSampler(items), size, drop_last=False)
        batches.epoch = view or 0
        with self.watch.section("image"):
            return torch.cat([features_of(batch, self.method).cpu() for batch in batches])
