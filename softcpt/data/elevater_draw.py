"""Few-shot draws of ELEVATER's toolkit: n images per class, a fifth of which are for validation."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

SHARE = 0.2  # of a class's images, for validation

Labels = Sequence[Sequence[int]]  # of every image


def draw(labels: Labels, classes: int, shots: int, seed: int) -> dict[str, list[int]]:
    """Numbers of the images for training and for validation, by part; both are taken from one list
    of images.

    ``shots`` images of each class, less ceil(0.2 * shots) for validation: of 20 shots 16 are
    trained on. Of one shot both parts have the same image. With several labels per image the
    numbers are rough, see :func:`few`.

    Args:
        labels: the classes of each image, at least one.
        classes: C.
        shots: images per class; below 1: all of them.
        seed: of the draw.
    """
    chosen = few(labels, classes, shots, seed) if shots > 0 else list(range(len(labels)))
    if shots == 1:
        return {"train": chosen, "val": chosen}
    apart = validation([labels[number] for number in chosen], classes)
    return {
        "train": [number for place, number in enumerate(chosen) if place not in apart],
        "val": [number for place, number in enumerate(chosen) if place in apart],
    }


def few(labels: Labels, classes: int, shots: int, seed: int) -> list[int]:
    """Numbers of ``shots`` images of each class, in the order in which they were met in a shuffled
    list.

    An image is left out if all its classes have enough. One of several classes is taken if the
    class that has fewest has no more than half of ``shots``, or the one that has most no more than
    1.5 times ``shots``.
    """
    order = list(range(len(labels)))
    random.Random(seed).shuffle(order)
    counts, lacking, chosen = [0] * classes, classes, []
    for number in order:
        there = [counts[label] for label in labels[number]]
        if min(there) < shots and (min(there) <= shots / 2 or max(there) <= 1.5 * shots):
            chosen.append(number)
            for label in labels[number]:
                counts[label] += 1
                lacking -= counts[label] == shots
        if not lacking:
            break
    return chosen


def validation(labels: Labels, classes: int) -> set[int]:
    """Which images are for validation: class by class the first ones, until each class has its
    share, rounded up.

    An image counts for all its classes, so a class may get more than its share.
    """
    members: list[list[int]] = [[] for _ in range(classes)]
    for number, own in enumerate(labels):
        for label in own:
            members[label].append(number)
    wanted = [math.ceil(len(numbers) * SHARE) for numbers in members]
    apart: set[int] = set()
    for label, numbers in enumerate(members):
        for number in numbers:
            if wanted[label] <= 0:
                break
            if number not in apart:
                apart.add(number)
                for other in labels[number]:
                    wanted[other] -= 1
    return apart
