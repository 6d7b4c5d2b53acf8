"""Divides the images of a data set into training, validation and test images."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from softcpt.data.split import DRAW_SEED, Item
from softcpt.errors import UserError

_Key = TypeVar("_Key", bound=Hashable)
Parts = tuple[list[Item], list[Item], list[Item]]


def by_class(item: Item) -> Hashable:
    """What CoOp divides together: the images of a class."""
    return item.task, item.label


def by_task(item: Item) -> Hashable:
    """What SoftCPT divides together in Fashion-20: the images of a task."""
    return item.task


class SplitRule(ABC):
    """What becomes of the images that their publisher did not divide."""

    @property
    @abstractmethod
    def described(self) -> str:
        """The shares in words, for messages."""

    def divide(self, pools: Iterable[tuple[str, list[Item]]]) -> Parts:
        """Training, validation and test images of pools (:class:`softcpt.data.pools.Pool`).

        One generator, seeded with :data:`softcpt.data.split.DRAW_SEED`, goes through all pools in
        their order.

        Raises:
            UserError: a group of images is too small.
        """
        generator = random.Random(DRAW_SEED)
        parts: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
        for part, items in pools:
            if part in parts:
                parts[part].extend(items)
                continue
            for found, more in zip(parts.values(), self.divided(part, items, generator)):
                found.extend(more)
        return parts["train"], parts["val"], parts["test"]

    @abstractmethod
    def divided(self, part: str, items: list[Item], generator: random.Random) -> Parts:
        """The images of one pool that is not divided yet: ``part`` is "all" or "trainval"."""


@dataclass(frozen=True)
class CoopRule(SplitRule):
    """CoOp's shares: 50/20/30 of every class, or 80/20 of an official training list.

    Attributes:
        owner: whose images they are, for messages ("data set AID").
        group: what is divided together.
        rule: "ratio", "trainval", or "official" where nothing is left to divide.
    """

    owner: str
    group: Callable[[Item], Hashable] = by_class
    rule: str = "ratio"

    @property
    def described(self) -> str:
        """The shares in words."""
        return {
            "ratio": "50/20/30 of every class",
            "trainval": "80/20 of the official training list",
        }.get(self.rule, "the official lists")

    def divided(self, part: str, items: list[Item], generator: random.Random) -> Parts:
        """50/20/30 of "all", 80/20/0 of "trainval"."""
        if part == "all":
            return divide_ratio(items, generator, self.group, self.owner)
        return *divide_trainval(items, generator), []


@dataclass(frozen=True)
class PerClassRule(SplitRule):
    """A number of images of every class for each part, as ELEVATER and CLIP's authors drew them.

    Attributes:
        owner: whose images they are, for messages.
        counts: images for training, for validation and for testing; None: the rest.
        advice: what helps where a class has too few images.
    """

    owner: str
    counts: tuple[int, int, int | None]
    advice: str

    @property
    def described(self) -> str:
        """The numbers in words."""
        train, val, test = ("the rest" if count is None else count for count in self.counts)
        return (
            f"of every class {train} images for training, {val} for validation, {test} for testing"
        )

    def divided(
        self,
        part: str,  # noqa: ARG002 (there is one way)
        items: list[Item],
        generator: random.Random,
    ) -> Parts:
        """The first images of each class, shuffled."""
        parts: Parts = ([], [], [])
        least = sum(1 if count is None else count for count in self.counts)
        for _, group in sorted(_grouped(items, lambda item: item.label).items()):
            generator.shuffle(group)
            if len(group) < least:
                raise UserError(
                    f"{self.owner}: {len(group)} images like {group[0].path}, and {least} of each "
                    f"class are needed; {self.advice}"
                )
            first = 0
            for target, count in zip(parts, self.counts):
                last = len(group) if count is None else first + count
                target.extend(group[first:last])
                first = last
        return parts


def divide_ratio(
    items: Iterable[Item],
    generator: random.Random,
    key: Callable[[Item], Hashable],
    place: str,
    shares: tuple[float, float] = (0.5, 0.2),
) -> Parts:
    """``shares`` for training and validation, the rest for test, of each group that ``key`` makes,
    as CoOp divides.

    Raises:
        UserError: a group is too small to have an image in each part; ``place`` is named.
    """
    train: list[Item] = []
    val: list[Item] = []
    test: list[Item] = []
    for group in _grouped(items, key).values():
        generator.shuffle(group)
        first = round(shares[0] * len(group))
        second = first + round(shares[1] * len(group))
        if not 0 < first < second < len(group):
            raise UserError(
                f"{place}: {len(group)} image(s) like {group[0].path} cannot be divided into "
                "training, validation and test; add images (4 suffice for 50/20/30), or give a "
                "split of your own"
            )
        train += group[:first]
        val += group[first:second]
        test += group[second:]
    return train, val, test


def divide_trainval(
    items: Iterable[Item], generator: random.Random, share: float = 0.2
) -> tuple[list[Item], list[Item]]:
    """The ``share`` of each class for validation, the rest for training, as CoOp divides."""
    train: list[Item] = []
    val: list[Item] = []
    for group in _grouped(items, by_class).values():
        generator.shuffle(group)
        count = round(share * len(group))
        val += group[:count]
        train += group[count:]
    return train, val


def _grouped(items: Iterable[Item], key: Callable[[Item], _Key]) -> dict[_Key, list[Item]]:
    """The items by ``key``, in the order in which they are met."""
    groups: dict[_Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
