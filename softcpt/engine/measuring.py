"""Classifies the images of a split: classes are encoded once, images batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from yacs.config import CfgNode

from softcpt.clip.model import Clip
from softcpt.engine.batches import Batches, features_of
from softcpt.errors import UserError
from softcpt.metrics import Tally, TaskResult
from softcpt.prompters import TaskClassifier, build_prompter
from softcpt.tasks import TaskSet
from softcpt.utils.stopwatch import Stopwatch

SPLITS = ("val", "test")


def named_splits(cfg: CfgNode) -> list[str]:
    """What ``TEST.SPLIT`` names.

    Raises:
        UserError: it names nothing, or something else than val and test.
    """
    names: list[str] = cfg.TEST.SPLIT.replace(",", " ").split()
    if not names or not set(names) <= set(SPLITS):
        raise UserError(f"TEST.SPLIT is '{cfg.TEST.SPLIT}': choose test, val, or val,test for both")
    return names


def classified(
    method: TaskClassifier, batches: Batches, watch: Stopwatch
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (B, C), right for each image's own task, and labels of every batch."""
    with watch.section("text"):
        classify = method.own_classifier()
    with watch.section("image"):
        batches.open()
    for batch in batches:
        with watch.section("image"):
            features = features_of(batch, method)
        labels: Tensor = batch["label"]
        yield classify(features, method.tasks.owners(labels)), labels.to(method.device)


@torch.no_grad()
def zero_shot(clip: Clip, tasks: TaskSet, batches: Batches, watch: Stopwatch) -> list[TaskResult]:
    """What the frozen model reaches with hand-written prompts."""
    tally = Tally(tasks)
    for logits, labels in classified(build_prompter("ZeroShot", clip, tasks), batches, watch):
        tally.add(logits, labels)
    return tally.results()
