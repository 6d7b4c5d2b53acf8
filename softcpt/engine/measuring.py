"""Classifies the images of a split: classes are encoded once, images batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.engine.batches import Batches, features_of
from softcpt.prompters import TaskClassifier, build_prompter
from softcpt.ranking import Ranked
from softcpt.task_results import Tally, TaskResult
from softcpt.tasks import TaskSet
from softcpt.utils.stopwatch import Stopwatch

# Is given logits (B, C) and labels (B,) of a batch.
Observer = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True)
class Tested:
    """What a method reached on the images of a split.

    Attributes:
        results: the figures of every task.
        ranked: the best classes of every image, in the items' order; of one with several tasks
            those of each, in the tasks' order.
    """

    results: list[TaskResult]
    ranked: Ranked


def classified(
    method: TaskClassifier, batches: Batches, watch: Stopwatch
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Logits (B, C), right for each image's own task, labels, and places among the items (B,) of
    every batch; an image of several tasks has a row for each."""
    with watch.section("text"):
        classify = method.own_classifier()
    with watch.section("image"):
        batches.open()
    for batch in batches:
        with watch.section("image"):
            features = features_of(batch, method)
        features, labels = method.tasks.of_pairs(features, batch["label"])
        index, _ = method.tasks.of_pairs(batch["index"], batch["label"])
        logits = classify(features, method.tasks.owners(labels))
        yield logits, labels.to(method.device), index


@torch.no_grad()
def measured(
    method: TaskClassifier, batches: Batches, watch: Stopwatch, observe: Observer | None = None
) -> Tested:
    """Classify the images and count each in its own task.

    Args:
        method: classifies.
        batches: images or features, in whatever order.
        watch: counts the time of the towers.
        observe: is given the logits and labels of every batch, too.
    """
    tally, places = Tally(method.tasks), []
    for logits, labels, index in classified(method, batches, watch):
        tally.add(logits, labels)
        places.append(index)
        if observe is not None:
            observe(logits, labels)
    in_item_order = torch.cat(places).argsort(stable=True)
    return Tested(tally.results(), tally.ranked()[in_item_order])


def zero_shot(clip: Clip, tasks: TaskSet, batches: Batches, watch: Stopwatch) -> Tested:
    """What the frozen model reaches with hand-written prompts."""
    return measured(build_prompter("ZeroShot", clip, tasks), batches, watch)
