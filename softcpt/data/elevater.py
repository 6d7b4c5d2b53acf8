"""What the data sets of ELEVATER have in common: its splits, class names, metrics and few-shot
draws.

The benchmark's own files are behind a closed door (their host refuses anonymous readers since July
2023), so splits are taken from the publishers' lists, which have the same sizes. Where the
benchmark drew a split itself it is drawn anew (:attr:`ElevaterDataset.per_class`). docs/elevater.md
says which is which.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from softcpt.data.base import Pool, Row, TaskDataset
from softcpt.data.draws import Drawn, few_shot
from softcpt.data.elevater_draw import draw
from softcpt.data.elevater_tasks import class_names, elevater_task, template
from softcpt.data.listing import class_folders, scan
from softcpt.data.parts import part_folders
from softcpt.data.split import DRAW_SEED, Item, Split
from softcpt.errors import UserError

DEPTH = 3  # folders that an archive or a person may have put around a data set


class ElevaterDataset(TaskDataset):
    """A task of ELEVATER; a subclass states its ``key`` in :mod:`softcpt.data.elevater_tasks` and
    where images lie.

    Few-shot images are drawn as ELEVATER's toolkit draws them (:mod:`softcpt.data.elevater_draw`),
    those for validation out of the training images; the publishers' validation images are not used,
    there and here.

    Attributes:
        key: ELEVATER's name of the task.
        classes: class name, in label order, by what the publisher calls the class.
        seen_through: whether a single folder around the images, or in theirs, is left out of their
            paths; False: these begin in the data set's folder.
        per_class: rule "drawn": images of every class for training, for validation and for testing,
            None being the rest; the lists that the benchmark drew are not to be had.
    """

    key: str = ""
    classes: dict[str, str] = {}
    seen_through: bool = True
    per_class: tuple[int, int, int | None] = (0, 0, None)
    draws_folder = "split_fewshot_elevater"
    rule = "official"
    split_files = ()
    divided_apart = ("",)
    ignored = ()
    renamed = {}
    leaves = False
    images = 0

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.own_folder = "dataset_dir" in cls.__dict__
        found = elevater_task(cls.key)
        if found:
            cls.aliases = (*cls.aliases, cls.key)
            cls.task_name, cls.metric, cls.num_classes, cls.sizes = (
                found.task,
                found.metric,
                found.classes,
                found.sizes,
            )
            cls.template, cls.classes = template(cls.key), class_names(cls.key)
            cls._labels = _numbered(cls.classes)
        cls.split_files = (f"split_elevater_{cls.key}.json",) if cls.rule == "drawn" else ()
        cls.sources = tuple(
            source for source in cls.sources if not source.file.startswith("split_")
        )  # CoOp's

    @classmethod
    def image_folder(cls, folder: Path) -> Path:
        """The folder of the images, or the data set's own (``seen_through``)."""
        return super().image_folder(folder) if cls.seen_through else folder

    def class_name(self, name: str) -> str:
        """As it is."""
        return name

    def label(self, name: str) -> int:
        """The label of the class that the publisher, or a person, calls ``name``.

        Raises:
            UserError: there is no such class.
        """
        label = self._labels.get(_plain(name))
        if label is None:
            raise UserError(
                f"data set {self.name()}: it has no class '{name}'; move that out, or correct its "
                "name"
            )
        return label

    # -- the split ---------------------------------------------------------------------------------

    def no_split(self, folder: Path) -> str:
        """What is wrong without a split file, and what helps."""
        train, val, test = ("the rest" if count is None else count for count in self.per_class)
        return (
            f"data set {self.name()}: no split file {self.split_files[0]} or {self.drawn_file()} "
            f"in {folder}; ELEVATER's "
            f"list is not to be had, --draw-split makes one of its sizes (of every class {train} "
            "images for training, "
            f"{val} for validation, {test} for testing, seed {DRAW_SEED})"
        )

    def make_split(self, folder: Path) -> Split:
        """The split of the publisher's lists, or one that is drawn from all images."""
        pools = self.checked(self._read_pools(folder), folder)
        parts = self.divide((pool.part, _items(pool.rows)) for pool in pools)
        return Split(*parts, [list(self.classes.values())])

    def divide(
        self, pools: Iterable[tuple[str, list[Item]]]
    ) -> tuple[list[Item], list[Item], list[Item]]:
        """The parts as they come; of a pool "all", ``per_class`` images of each class."""
        generator = random.Random(DRAW_SEED)
        parts: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
        for part, items in pools:
            if part != "all":
                parts[part] += items
                continue
            groups: dict[int, list[Item]] = {}
            for item in items:
                groups.setdefault(item.label, []).append(item)
            for _, group in sorted(groups.items()):
                generator.shuffle(group)
                least = sum(1 if count is None else count for count in self.per_class)
                if len(group) < least:
                    raise UserError(
                        f"data set {self.name()}: {len(group)} images like {group[0].path}, and "
                        f"{least} of each "
                        f"class are needed; {self.advice}"
                    )
                for kept, count in zip(parts.values(), self.per_class):
                    kept += group[:count]
                    group = [] if count is None else group[count:]
        return parts["train"], parts["val"], parts["test"]

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """Class folders: where a split is to be drawn, of all images; else in ``train``, ``test``
        and maybe ``val``, under the names that people give them."""
        if self.rule == "drawn":
            yield Pool("all", list(self.by_folder(images, images)) if images.is_dir() else [])
            return
        place, parts = self.part_folders(folder)
        for name, part in parts.items():
            yield Pool(part, list(self.by_folder(place / name, images)))

    def part_folders(self, folder: Path) -> tuple[Path, dict[str, str]]:
        """The folder that holds one of training and one of test images, and the part of each folder
        in it.

        Raises:
            UserError: there is none.
        """
        for place in below(folder):
            parts = part_folders(place)
            if {"train", "test"} <= set(parts.values()):
                return place, parts
        raise UserError(
            f"data set {self.name()}: no train and test folders in {folder}; {self.advice}"
        )

    def by_folder(self, place: Path, images: Path) -> Iterator[Row]:
        """A row for each image in the class folders of ``place``, paths relative to ``images``."""
        prefix = place.relative_to(images).as_posix() if place != images else ""
        for name, paths in class_folders(place, leaves=True).items():
            label = self.label(name.rpartition("/")[2])
            yield from ((f"{prefix}/{path}" if prefix else path, label, "") for path in paths)

    # -- few shots ---------------------------------------------------------------------------------

    def few_shot(self, split: Split) -> tuple[Drawn, str]:
        """ELEVATER's draw from the training images, and the file that it is in."""
        shots, seed = self.cfg.DATASET.NUM_SHOTS, self.cfg.SEED
        whole = replace(split, val=split.train)
        if shots < 1:
            places = _draw(whole, shots, seed)
            drawn, source = (
                {part: [split.train[i] for i in chosen] for part, chosen in places.items()},
                "",
            )
        else:
            drawn, source = few_shot(
                whole, shots, seed, self.folder, (self.draws_folder,), draw=_draw
            )
        return {**drawn, "test": split.test}, source


def below(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """``folder`` and those in it, nearest first, down to ``depth``; none that holds a folder per
    class."""
    level = [folder]
    for _ in range(depth + 1):
        yield from level
        inner = ((place, scan(place)[0]) for place in level)
        level = [place / name for place, names in inner if len(names) <= 8 for name in names]


def holding(folder: Path, *names: str) -> Path | None:
    """The nearest folder in ``folder``, or itself, in which all ``names`` are; None: there is
    none."""
    return next(
        (place for place in below(folder) if all((place / name).exists() for name in names)), None
    )


def _draw(split: Split, shots: int, seed: int) -> dict[str, list[int]]:
    labels = [(item.label, *item.others) for item in split.train]
    return draw(labels, len(split.class_names[0]), shots, seed)


def _items(rows: Iterable[Row]) -> list[Item]:
    """The images of ``rows``, each once, with the labels of all its rows."""
    labels: dict[str, list[int]] = {}
    for path, label, _ in rows:
        labels.setdefault(path, []).append(label)
    return [Item(path, 0, first, tuple(others)) for path, (first, *others) in labels.items()]


def _numbered(classes: dict[str, str]) -> dict[str, int]:
    """Label by the publisher's name of a class and by the class name, however they are spelt."""
    named = {_plain(name): label for label, name in enumerate(classes.values())}
    return named | {_plain(name): label for label, name in enumerate(classes)}


def _plain(name: str) -> str:
    """``name`` without capitals, signs between words, and zeros in front of a number."""
    plain = "".join(character for character in name.lower() if character.isalnum())
    return str(int(plain)) if plain.isdecimal() else plain
