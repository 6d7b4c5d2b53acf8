"""What the tasks of Photo-16 have in common: a split that follows from file names alone."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from collections import defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import softcpt
from softcpt.data.base import TaskDataset
from softcpt.data.draw_rules import CoopDraw, DrawRule
from softcpt.data.split import Item, Split
from softcpt.data.split_rules import Parts, SplitRule, by_class
from softcpt.errors import UserError

FACTS = Path(softcpt.__file__).parent / "assets/photo16/photo16.json"

_log = logging.getLogger(__name__)


@cache
def facts() -> dict[str, Any]:
    """Class lists and fingerprints of Photo-16: ``softcpt/assets/photo16/photo16.json``."""
    content: dict[str, Any] = json.loads(FACTS.read_text(encoding="utf-8"))
    return content


class NameRule(SplitRule):
    """50/20/30 of every class, its images in the order of the SHA-256 of their paths.

    An image that a copy lacks, or has too much, moves no more than one other image of its class
    across each border.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner

    @property
    def described(self) -> str:
        """The rule in words."""
        return "50/20/30 of every class in the order of the SHA-256 of the paths"

    def divided(
        self,
        part: str,  # noqa: ARG002 (there is one way)
        items: list[Item],
        generator: random.Random,  # noqa: ARG002 (nothing is left to chance)
    ) -> Parts:
        """The images of one pool."""
        groups = defaultdict(list)
        for item in items:
            groups[by_class(item)].append(item)
        parts: Parts = ([], [], [])
        for group in groups.values():
            if len(group) < 4:
                raise UserError(
                    f"{self.owner}: {len(group)} image(s) like {group[0].path} cannot be divided "
                    "into training, validation and test; add images, 4 suffice"
                )
            group.sort(key=lambda item: hashlib.sha256(item.path.encode()).digest())
            first = round(0.5 * len(group))
            second = first + round(0.2 * len(group))
            for found, own in zip(parts, (group[:first], group[first:second], group[second:])):
                found.extend(own)
        return parts


class FixedSplitDataset(TaskDataset):
    """A data set whose split needs no file: it follows from the names of its images.

    The few-shot draw is CoOp's, from the seed alone, so it is fixed as well. It is kept apart from
    the draws of other splits of the same images.
    """

    rule = "official"
    split_files: ClassVar[tuple[str, ...]] = ()
    draws_folder = "split_fewshot_photo16"

    @property
    def split_rule(self) -> SplitRule:
        """By the names of the images."""
        return NameRule(f"data set {self.called}")

    def draw_rule(self, split: Split) -> DrawRule:  # noqa: ARG002 (the same for every split)
        """CoOp's draw, kept in a folder of its own."""
        return CoopDraw((self.kept_draws,))

    def make_split(self, folder: Path) -> Split:
        """The fixed split; a line says so if it is not the one of the published results."""
        split = replace(self.fixed_split(folder), source="the fixed split of Photo-16")
        known = facts()["fingerprints"].get(self.name(), "")
        if known and self.options.verbose and fingerprint(split) != known:
            _log.info(
                f"{self.called}: its images are not those of docs/results/photo16 (names differ, "
                "or some are missing), so its figures cannot be compared with these"
            )
        return split

    def fixed_split(self, folder: Path) -> Split:
        """The images on disk, divided."""
        return super().make_split(folder)


def fingerprint(split: Split) -> str:
    """What two splits have in common if they have the same images in the same parts."""
    tested = "".join(f"{item.path}\n" for item in split.test)
    return hashlib.sha256((split.digest() + tested).encode()).hexdigest()[:16]
