"""Divides images that have labels of several tasks: an image goes to one part with all of them.

Source: iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011, algorithm 1).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from softcpt.data.split import Item
from softcpt.data.split_rules import Parts, SplitRule

SHARES = (0.5, 0.2, 0.3)  # training, validation, test, as CoOp divides


@dataclass(frozen=True)
class WholeImagesRule(SplitRule):
    """50/20/30 of every class of every task as nearly as whole images allow."""

    @property
    def described(self) -> str:
        """The shares in words."""
        return "50/20/30 of every class of every task, image by image"

    def divided(
        self,
        part: str,  # noqa: ARG002 (all images are undivided)
        items: list[Item],
        generator: random.Random,
    ) -> Parts:
        """The items of each image together."""
        images: dict[str, list[Item]] = {}
        for item in items:
            images.setdefault(item.path, []).append(item)
        labels = [[(item.task, item.label) for item in own] for own in images.values()]
        parts: Parts = ([], [], [])
        for own, chosen in zip(images.values(), stratified(labels, generator)):
            parts[chosen].extend(own)
        return parts


def stratified(
    labels: Sequence[Sequence[tuple[int, int]]],
    generator: random.Random,
    shares: Sequence[float] = SHARES,
) -> list[int]:
    """The part of each image, of which ``labels`` has the classes, one or more.

    Class by class, the one with the fewest images left first: each of its images, in random order,
    goes where the class lacks most; of equals where images lack most; of equals the first.
    """
    order = list(range(len(labels)))
    generator.shuffle(order)
    left = Counter(label for own in labels for label in own)
    lacking = {label: [share * count for share in shares] for label, count in left.items()}
    images_lacking = [share * len(labels) for share in shares]
    chosen = [-1] * len(labels)
    while left:
        rarest = min(left, key=lambda label: (left[label], label))
        for image in order:
            if chosen[image] >= 0 or rarest not in labels[image]:
                continue
            part = max(
                range(len(shares)),
                key=lambda one: (lacking[rarest][one], images_lacking[one], -one),
            )
            chosen[image] = part
            images_lacking[part] -= 1
            for label in labels[image]:
                lacking[label][part] -= 1
                left[label] -= 1
        left = +left  # those that have images left
    return chosen
