"""Classifies the images of a split: classes are encoded once, images batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from yacs.config import CfgNode

from softcpt.clip.model import Clip
from softcpt.engine.batches import Batches, features_of
from softcpt.errors import UserError
from softcpt.prompters import TaskClassifier, build_prompter
from softcpt.ranking import Ranked
from softcpt.task_results import Tally, TaskResult
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
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Logits (B, C), right for each image's own task, labels, and places among the items (B,) of
    every batch."""
    with watch.section("text"):
        classify = method.own_classifier()
    with watch.section("image"):
        batches.open()
    for batch in batches:
        with watch.section("image"):
            features = features_of(batch, method)
        labels: Tensor = batch["label"]
        logits = classify(features, method.tasks.owners(labels))
        yield logits, labels.to(method.device), batch["index"]


@torch.no_grad()
def zero_shot(
    clip: Clip, tasks: TaskSet, batches: Batches, watch: Stopwatch
) -> tuple[list[TaskResult], Ranked]:
    """What the frozen model reaches with hand-written prompts, and its best classes of every image,
    in the items' order."""
    tally, places = Tally(tasks), []
    for logits, labels, index in classified(
        build_prompter("ZeroShot", clip, tasks), batches, watch
    ):
        tally.add(logits, labels)
        places.append(index)
    return tally.results(), in_item_order(tally.ranked(), places)


def in_item_order(ranked: Ranked, places: Sequence[Tensor]) -> Ranked:
    """Images in the order of the items they are, whatever order the sampler drew; ``places``: of
    every batch."""
    return ranked[torch.cat(list(places)).argsort()]
