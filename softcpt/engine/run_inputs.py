"""What a run works on, as its configuration says: tasks, model, feature bank, batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from dassl.data.samplers import build_sampler
from torch.utils.data import Sampler
from yacs.config import CfgNode

from softcpt.clip.model import Clip, load_clip
from softcpt.data.ordinal import with_values
from softcpt.engine.backbone_input import build_input_transform
from softcpt.engine.batches import FeatureBatches, FileBatches, ImageBatches, labels_of
from softcpt.engine.continuation import images_digest
from softcpt.engine.readable import readable
from softcpt.engine.task_sampler import TASK_BALANCED, TaskBalancedSampler, task_shares
from softcpt.errors import UserError
from softcpt.features.bank import FeatureBank
from softcpt.features.on_device import OnDevice
from softcpt.prompters import TaskClassifier
from softcpt.prompters.classifier import bank_kind
from softcpt.tasks import Task, TaskSet
from softcpt.utils.process_cache import cached

SPLITS = ("val", "test")
# Transforms that draw nothing: with these alone every view is the same.
FIXED_TRANSFORMS = {"normalize", "instance_norm", "center_crop"}


def named_splits(cfg: CfgNode) -> list[str]:
    """What ``TEST.SPLIT`` names.

    Raises:
        UserError: it names nothing, or something else than val and test.
    """
    names: list[str] = cfg.TEST.SPLIT.replace(",", " ").split()
    if not names or not set(names) <= set(SPLITS):
        raise UserError(f"TEST.SPLIT is '{cfg.TEST.SPLIT}': choose test, val, or val,test for both")
    return names


def tasks_of(dataset: Any, cfg: CfgNode) -> TaskSet:
    """The data set's tasks; one without ``tasks`` is a single task."""
    tasks: TaskSet | None = getattr(dataset, "tasks", None)
    if tasks is None:
        tasks = TaskSet([Task(cfg.DATASET.NAME, tuple(dataset.classnames))])
    tasks = with_values(tasks, cfg.DATASET.ORDINAL)
    description = cfg.DATASET.TASK_DESCRIPTION
    return tasks.described(description) if description else tasks


def model_of(cfg: CfgNode, precision: str, device: torch.device) -> Clip:
    """The frozen CLIP; runs of one process share it. ``fp16`` on a CPU is fp32: it is the default
    that published configurations rely on, so nothing is said of it here.

    Raises:
        UserError: it takes images of another size than ``INPUT.SIZE``.
    """
    name = cfg.MODEL.BACKBONE.NAME or "tiny"
    if precision == "fp16" and device.type == "cpu":
        precision = "fp32"
    clip = cached(
        "clip", (name, precision, device), lambda: load_clip(name, precision, device), most=2
    )
    if tuple(cfg.INPUT.SIZE) != (clip.image_size,) * 2:
        raise UserError(
            f"INPUT.SIZE is {tuple(cfg.INPUT.SIZE)}: {clip.name} takes images of "
            f"{clip.image_size} x {clip.image_size}; use its config file"
        )
    return clip


def open_bank(
    cfg: CfgNode, clip: Clip, method: type[TaskClassifier], progress: bool = True
) -> FeatureBank:
    """The bank of ``clip``'s image features, of the kind that ``method`` takes."""
    return FeatureBank(
        cfg.FEATURES.FOLDER or None,
        clip,
        kind=bank_kind(method),
        seed=cfg.SEED,
        on_error=cfg.FEATURES.ON_ERROR,
        workers=None if cfg.DATALOADER.NUM_WORKERS < 0 else cfg.DATALOADER.NUM_WORKERS,
        progress=progress,
    )


@dataclass(frozen=True)
class BatchMaker:
    """Makes batches of a list of Dassl's ``Datum``.

    Attributes:
        cfg: of the run.
        bank: where features come from with ``FEATURES.MODE`` bank.
        prompts_images: whether the method prompts the image tower, and so needs images.
        quiet: leave out what Dassl prints about transforms.
        tasks: that the images' labels count, for a sampler that asks.
    """

    cfg: CfgNode
    bank: FeatureBank
    prompts_images: bool
    quiet: bool = False
    tasks: TaskSet | None = None
    _transforms: dict[bool, Any] = field(default_factory=dict, init=False, repr=False)

    def make(
        self, items: Sequence[Any], train: bool, prompts_images: bool | None = None
    ) -> FileBatches:
        """``items`` as features from the bank, or as images.

        Args:
            items: the images.
            train: with the training's sampler and transform, or the test's.
            prompts_images: in place of the method's.
        """
        cfg = self.cfg
        if prompts_images is None:
            prompts_images = self.prompts_images
        settings = cfg.DATALOADER.TRAIN_X if train else cfg.DATALOADER.TEST
        sampler = self._sampler(items, settings, train)
        transform = self._transform(train)
        size, views = settings.BATCH_SIZE, self.views() if train else None
        drop_last = train and cfg.DATALOADER.TRAIN_X.DROP_LAST and len(items) >= size
        if cfg.FEATURES.MODE == "bank" and not prompts_images:
            return FeatureBatches(
                items,
                sampler,
                size,
                drop_last,
                views,
                bank=self.bank,
                transform=transform,
                root=cfg.DATASET.ROOT,
                place=OnDevice(cfg.FEATURES.DEVICE, self.bank.clip.device) if train else None,
            )
        return ImageBatches(
            items,
            sampler,
            size,
            drop_last,
            views,
            transform=transform,
            seed=cfg.SEED,
            workers=cfg.DATALOADER.NUM_WORKERS,
        )

    def _sampler(self, items: Sequence[Any], settings: CfgNode, train: bool) -> Sampler[int]:
        """``TaskBalanced``, or one of Dassl's."""
        if train and self.tasks is not None:
            balanced = balanced_sampler(self.cfg, self.tasks, labels_of(items))
            if balanced is not None:
                return balanced
        sampler: Sampler[int] = build_sampler(
            settings.SAMPLER,
            cfg=self.cfg,
            data_source=items,
            batch_size=settings.BATCH_SIZE,
            n_domain=self.cfg.DATALOADER.TRAIN_X.N_DOMAIN,
            n_ins=self.cfg.DATALOADER.TRAIN_X.N_INS,
        )
        return sampler

    def _transform(self, train: bool) -> Any:
        """Built once for training and once for tests, since Dassl prints each."""
        if train not in self._transforms:
            self._transforms[train] = build_input_transform(self.cfg, train, self.quiet)
        return self._transforms[train]

    def views(self) -> Callable[[int], int] | None:
        """The view of an epoch: one of its own, one of K in turn, or none where nothing is
        drawn."""
        if set(self.cfg.INPUT.TRANSFORMS) <= FIXED_TRANSFORMS:
            return None
        count: int = self.cfg.FEATURES.VIEWS
        return (lambda epoch: epoch % count) if count else (lambda epoch: epoch)


def balanced_sampler(
    cfg: CfgNode, tasks: TaskSet, labels: torch.Tensor
) -> TaskBalancedSampler | None:
    """``DATALOADER.TRAIN_X.SAMPLER TaskBalanced`` of images with ``labels`` (N,) or (N, K); None:
    another sampler is asked for.

    Raises:
        UserError: shares do not fit the tasks, or there are some for another sampler.
    """
    node = cfg.DATALOADER.TRAIN_X
    if node.SAMPLER != TASK_BALANCED:
        if node.TASK_SHARES:
            raise UserError(
                f"DATALOADER.TRAIN_X.TASK_SHARES: the sampler is {node.SAMPLER}, which has no use "
                f"for shares; set DATALOADER.TRAIN_X.SAMPLER {TASK_BALANCED}"
            )
        return None
    return TaskBalancedSampler(tasks.of_labels(labels), task_shares(node.TASK_SHARES, tasks.names))


def items_of(dataset: Any, cfg: CfgNode) -> dict[str, Sequence[Any]]:
    """Part -> images of a data set of Dassl's kind; with ``FEATURES.ON_ERROR`` skip those that can
    be read."""
    items = {"train": dataset.train_x, "val": dataset.val or [], "test": dataset.test}
    if cfg.FEATURES.ON_ERROR == "skip":
        return dict(readable(items, cfg.DATALOADER.NUM_WORKERS))
    return items


def root_of(dataset: Any, cfg: CfgNode) -> str:
    """Where paths of images start from."""
    return str(cfg.DATASET.ROOT or getattr(dataset, "dataset_dir", "") or "/")


class RunData:
    """The tasks and batches of a run.

    Args:
        items: "train", "val" and "test" -> Dassl's image records; "val" may be empty.
        tasks: that their labels count.
        maker: makes batches of them.
        root: where paths of images start from.

    Attributes:
        train, val, test: batches; ``val`` is None where there are no validation images.
    """

    def __init__(
        self, items: Mapping[str, Sequence[Any]], tasks: TaskSet, maker: BatchMaker, root: str
    ) -> None:
        self.items, self.tasks, self.maker, self.root = items, tasks, maker, root
        self.train = maker.make(items["train"], train=True)
        self.val = maker.make(items["val"], train=False) if items["val"] else None
        self.test = maker.make(items["test"], train=False)

    def split(self, name: str) -> tuple[str, FileBatches]:
        """The split that ``name`` stands for, and its batches: "val" without validation images is
        test."""
        if name == "val" and self.val is not None:
            return "val", self.val
        return "test", self.test

    @property
    def splits(self) -> list[str]:
        """What ``TEST.SPLIT`` names, the last being the one that counts."""
        names = named_splits(self.maker.cfg)
        return list(dict.fromkeys(self.split(name)[0] for name in names))

    def frozen(self, split: str) -> FileBatches:
        """Batches of a split for a method that does not prompt the image tower."""
        batches = self.split(split)[1]
        if not self.maker.prompts_images:
            return batches
        return self.maker.make(batches.items, train=False, prompts_images=False)

    def paths(self, split: str) -> list[str]:
        """Of a split's images, below the root."""
        return [os.path.relpath(path, self.root) for path in self.split(split)[1].paths]

    def digest(self, items: Sequence[Any]) -> str:
        """A hash of the items' paths below the root and their labels, in their order."""
        return images_digest(items, self.root, self.tasks)
