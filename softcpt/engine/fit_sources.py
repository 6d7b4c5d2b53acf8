"""What :func:`softcpt.fit` trains on: images, or features at hand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch.utils.data import RandomSampler, SequentialSampler
from yacs.config import CfgNode

from softcpt.artefacts import checkpoint
from softcpt.clip.model import Clip
from softcpt.data.task_data import TaskData, load_data
from softcpt.engine.batches import Batches, GivenFeatures
from softcpt.engine.continuation import images_digest
from softcpt.engine.early_stop import refuse_without_validation
from softcpt.engine.head_fitting import HeadFitting
from softcpt.engine.run_inputs import BatchMaker, balanced_sampler, open_bank
from softcpt.engine.task_sampler import TASK_BALANCED
from softcpt.errors import UserError
from softcpt.features.feature_data import FeatureData
from softcpt.features.on_device import OnDevice
from softcpt.prompters import FeatureClassifier, TaskClassifier
from softcpt.tasks import TaskSet
from softcpt.utils.stopwatch import Stopwatch

_CHOICE = "fit: early_stop or final_model"


class Source(ABC):
    """Training data of ``tasks``."""

    tasks: TaskSet

    @abstractmethod
    def batches(self) -> Batches:
        """For training by steps."""

    @abstractmethod
    def validation(self) -> Batches:
        """Of validation images, to choose an epoch by.

        Raises:
            UserError: there are none, or they are test images.
        """

    @abstractmethod
    def fit(self, method: FeatureClassifier, watch: Stopwatch) -> dict[str, Any] | None:
        """Fit a method at once; returns what was chosen on validation images."""

    @abstractmethod
    def digest(self) -> str:
        """A hash of the training data, in order."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """Images by split."""


class Images(Source):
    """Images in files."""

    def __init__(
        self,
        data: TaskData,
        cfg: CfgNode,
        clip: Clip,
        kind: type[TaskClassifier],
        progress: bool,
    ) -> None:
        if not data.train:
            raise UserError("fit: there are no training images; give data with some")
        self.data, self.tasks = data, data.tasks
        bank = open_bank(cfg, clip, kind, progress)
        self.maker = BatchMaker(cfg, bank, kind.prompts_images, quiet=True, tasks=self.tasks)
        self.progress = progress

    def batches(self) -> Batches:
        """Features from the bank, or images."""
        return self.maker.make(self.data.train, train=True)

    def validation(self) -> Batches:
        """Features from the bank, or images."""
        refuse_without_validation(_CHOICE, self.data.val, self.data.test)
        return self.maker.make(self.data.val, train=False)

    def fit(self, method: FeatureClassifier, watch: Stopwatch) -> dict[str, Any] | None:
        """On clean images and views, from the bank."""
        fitting = HeadFitting(method, self.maker, watch, progress=self.progress)
        fitting.fit(self.data.train, self.data.val, self.data.test)
        return fitting.selected

    def digest(self) -> str:
        """Of paths below the root and labels."""
        root = self.maker.cfg.DATASET.ROOT or "/"
        return images_digest(self.data.train, root, self.tasks)

    def counts(self) -> dict[str, int]:
        """Of the three splits."""
        parts = {"train": self.data.train, "val": self.data.val, "test": self.data.test}
        return {name: len(part) for name, part in parts.items()}


class Given(Source):
    """Features at hand."""

    def __init__(
        self, data: FeatureData, cfg: CfgNode, clip: Clip, kind: type[TaskClassifier]
    ) -> None:
        if kind.prompts_images or kind.local_features:
            needs = "images" if kind.prompts_images else "features of places of an image"
            raise UserError(f"fit: {kind.__name__} needs {needs}; give images, not features")
        self.data, self.tasks, self.cfg = data, data.tasks, cfg
        self.place = OnDevice(cfg.FEATURES.DEVICE, clip.device)

    def batches(self) -> Batches:
        """In an order of their own in every epoch."""
        size = self.cfg.DATALOADER.TRAIN_X.BATCH_SIZE
        labels = self.data.labels
        balanced = balanced_sampler(self.cfg, self.tasks, labels)
        asked = self.cfg.DATALOADER.TRAIN_X.SAMPLER
        if balanced is None and asked != "RandomSampler":
            raise UserError(
                f"fit: sampler '{asked}' is of images, and these are features; choose "
                f"RandomSampler or {TASK_BALANCED}"
            )
        return GivenFeatures(
            self.data.features,
            labels,
            self.tasks.first_of(labels),
            balanced or RandomSampler(range(len(labels))),
            size,
            drop_last=self.cfg.DATALOADER.TRAIN_X.DROP_LAST and len(labels) >= size,
            place=self.place,
        )

    def validation(self) -> Batches:
        """In their order."""
        features, labels = self.data.val_features, self.data.val_labels
        if features is None or labels is None or not len(labels):
            refuse_without_validation(_CHOICE, None)
        assert features is not None and labels is not None  # else refused
        return GivenFeatures(
            features,
            labels,
            self.tasks.owners(labels),
            SequentialSampler(range(len(labels))),
            self.cfg.DATALOADER.TEST.BATCH_SIZE,
        )

    def fit(
        self,
        method: FeatureClassifier,
        watch: Stopwatch,  # noqa: ARG002 - no tower runs
    ) -> dict[str, Any] | None:
        """On the first view, and on all where the method takes views."""
        data = self.data
        features = data.features
        if features.dim() == 3 and not method.augmented:
            features = features[:, 0]
        val = None if data.val_features is None else method.image_features(data.val_features)
        reports = method.fit(method.image_features(features), data.labels, val, data.val_labels)
        method.refuse_no_numbers("choose other options of the method")
        if not method.selects:
            return None
        return {"what": method.selects, "on": "val", "value": reports}

    def digest(self) -> str:
        """Of features and labels."""
        return checkpoint.digest({"features": self.data.features, "labels": self.data.labels})

    def counts(self) -> dict[str, int]:
        """Of training and validation."""
        val = self.data.val_labels
        return {"train": len(self.data.labels), "val": 0 if val is None else len(val)}


def source_of(
    data: Any, cfg: CfgNode, clip: Clip, kind: type[TaskClassifier], progress: bool = True
) -> Source:
    """What ``data`` is: :class:`FeatureData`, :class:`TaskData`, or anything that
    :func:`softcpt.load_data` takes."""
    if isinstance(data, FeatureData):
        return Given(data, cfg, clip, kind)
    if not isinstance(data, TaskData):
        data = load_data(data, seed=cfg.SEED)
    return Images(data, cfg, clip, kind, progress)
