"""Reads your own images as tasks: from a folder, or from a CSV file."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from softcpt.data.base import TaskDataset
from softcpt.data.class_words import words
from softcpt.data.draw_rules import CoopDraw, DrawRule
from softcpt.data.image_files import class_folders, scan, unnested
from softcpt.data.part_folders import (
    PARTS,
    division,
    holds_classes,
    holds_images,
    is_division,
    slashed,
)
from softcpt.data.split import DRAW_SEED, Item, Split, read_split, write_drawn
from softcpt.data.writable_path import writable_path
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet

_log = logging.getLogger(__name__)


class LabelledImage(NamedTuple):
    """An image's part ("all" where it is not divided yet), path, task ("" where it has no name) and
    class."""

    part: str
    path: str
    task: str
    class_name: str


class OwnDataset(TaskDataset):
    """Images of no published data set, where ``DATASET.ROOT`` says. Divided 50/20/30 unless they
    come divided.

    That split is written beside them at the first run and read from then on; images that come or go
    later are not taken in silently. Without test images the validation images are tested
    on, as with ImageNet.
    """

    advice = "correct it"

    def read_or_draw(self, folder: Path) -> Split:
        """The split as the images come, or as it was drawn at the first run.

        Raises:
            UserError: images came or went since.
        """
        rows = list(self.labelled(folder))
        if not rows:
            raise UserError(
                f"data set {self.name()}: no images in {self.cfg.DATASET.ROOT}; {self.advice}"
            )
        if any(row.part == "all" for row in rows):
            return self._kept(rows, folder)
        split = self.as_split(rows)
        if not split.train:
            raise UserError(
                f"data set {self.name()}: no training images in {self.cfg.DATASET.ROOT}; "
                f"{self.advice}"
            )
        if split.test:
            return split
        return replace(split, val=[], test=split.val)

    def labelled(self, folder: Path) -> Iterator[LabelledImage]:
        """A row for every image."""
        raise NotImplementedError

    def as_split(self, rows: list[LabelledImage]) -> Split:
        """Tasks are numbered in order of appearance, classes in alphabetical order."""
        classes: dict[str, set[str]] = {}
        for row in rows:
            classes.setdefault(row.task, set()).add(row.class_name)
        names = [sorted(found) for found in classes.values()]
        numbers: dict[tuple[str, str], tuple[int, int]] = {}  # by names of task and class
        for index, task in enumerate(classes):
            for label, name in enumerate(names[index]):
                numbers[task, name] = index, label
        pools: dict[str, list[Item]] = {}
        for row in rows:
            item = Item(row.path, *numbers[row.task, row.class_name])
            pools.setdefault(row.part, []).append(item)
        divided = self.split_rule.divide(pools.items())
        return Split(*divided, names, list(classes), source=Path(self.cfg.DATASET.ROOT).name)

    def _kept(self, rows: list[LabelledImage], folder: Path) -> Split:
        path = writable_path(folder, self.drawn_name())
        if not path.is_file():
            write_drawn(path, self.as_split(rows), "ratio")
            _log.info(
                f"{self.name()}: 50/20/30 of every class for training, validation and test, "
                f"written to {path} (seed {DRAW_SEED})"
            )
        split = read_split(path, inside=False)  # a table may name images anywhere
        known = {item.path for item in (*split.train, *split.val, *split.test)}
        here = {row.path for row in rows}
        new, gone = len(here - known), len(known - here)
        if new or (gone and self.option("ON_MISSING", "stop") != "skip"):
            without = "" if new else ", DATASET.ON_MISSING skip goes on without them"
            raise UserError(
                f"{path}: images came or went since this split was drawn ({new} new, {gone} gone); "
                f"delete it to draw a new one{without}"
            )
        return split

    def drawn_name(self) -> str:
        """Name of the split file."""
        return "split_drawn.json"

    def make_tasks(self, split: Split) -> TaskSet:
        """A task for each that is named; a single one may be named by ``DATASET.TASK_NAME``."""
        if len(split.class_names) == 1:
            return super().make_tasks(split)
        if self.option("TASK_NAME", ""):
            raise UserError(
                f"DATASET.TASK_NAME: {self.cfg.DATASET.ROOT} has {len(split.class_names)} tasks, "
                "named there"
            )
        template = self.option("TEMPLATE", "") or self.template
        named = zip(split.task_names, split.class_names)
        return TaskSet(
            [Task(name, tuple(classes), self.task_metric, template) for name, classes in named]
        )

    @property
    def default_task_name(self) -> str:
        """The file's or folder's name in words."""
        return words(Path(self.cfg.DATASET.ROOT).stem)


class FolderDataset(OwnDataset):
    """``class/image``, or ``train|val|test/class/image``; see :class:`OwnDataset`."""

    advice = "put them into class/image or train|val|test/class/image"

    @classmethod
    def find_folder(cls, root: str) -> Path:
        """``root`` itself."""
        folder = Path(root or ".").expanduser().absolute()
        if not root or not folder.is_dir():
            raise UserError(
                f"data set {cls.name()}: DATASET.ROOT '{root}' is no folder; give that of your "
                "classes"
            )
        return folder

    def labelled(self, folder: Path) -> Iterator[LabelledImage]:
        """A row per image. Prints what is left out: folders that are no part, empty classes.

        Raises:
            UserError: the folders could be classes or parts of a split.
        """
        images = self.image_folder(folder)
        parts = division(images)
        self._print_left_out(folder, images, parts)
        if not parts:
            yield from self._rows(images, "", "all")
        for name, part in parts.items():
            yield from self._rows(images, self._within(images, name), part)

    def _rows(self, images: Path, inner: str, part: str) -> Iterator[LabelledImage]:
        """The images of the class folders in ``images / inner``."""
        folder = images / inner
        classes = class_folders(folder)
        empty = [name for name in scan(folder)[0] if name not in classes]
        if empty:
            _log.info(f"{self.name()}: left out, no images in {slashed(empty)} of {folder}")
        prefix = f"{inner}/" if inner else ""
        for label, paths in classes.items():
            if part == "all":
                self._refuse_inner_division(folder / label, paths)
            yield from (LabelledImage(part, prefix + path, "", label) for path in paths)

    @staticmethod
    def _refuse_inner_division(folder: Path, paths: list[str]) -> None:
        """Raises UserError if the images of class ``folder`` lie in part/class/image."""
        inner = {path.split("/")[1] for path in paths if path.count("/") > 2}
        if is_division(PARTS[name.lower()] for name in inner if name.lower() in PARTS):
            raise UserError(
                f"{folder}: it holds {slashed(sorted(inner))}, so it is no class; give it as "
                "DATASET.ROOT"
            )

    @staticmethod
    def _within(images: Path, name: str) -> str:
        """Path of part ``name``'s classes: an archive may hold it once more (``train/train``)."""
        folders = scan(images / name)[0]
        again = [inner for inner in folders if inner.lower() == name.lower()]
        if folders == again and again and holds_classes(images / name / again[0]):
            return f"{name}/{again[0]}"
        return name

    def _print_left_out(self, folder: Path, images: Path, parts: dict[str, str]) -> None:
        """Print which folders are neither parts nor on the way to them."""
        place = images
        while place != folder:
            rest = [name for name in scan(place.parent)[0] if name != place.name]
            if rest:
                _log.info(
                    f"{self.name()}: left out, no images in {slashed(rest)} of {place.parent}"
                )
            place = place.parent
        rest = [name for name in scan(images)[0] if name not in parts]
        if parts and rest:
            _log.info(
                f"{self.name()}: {slashed(parts)} are the parts of {images}; "
                f"left out: {slashed(rest)}"
            )

    @classmethod
    def image_folder(cls, folder: Path) -> Path:
        """``folder``, or the one folder in it, others without an image not counted."""
        inner = unnested(folder)
        folders, images = scan(inner)
        full = list(islice((name for name in folders if holds_images(inner / name)), 2))
        if images or len(full) != 1:
            return inner
        only = inner / full[0]
        part_is_empty = any(name.lower() in PARTS for name in folders if name != only.name)
        if part_is_empty or scan(only)[1] or not holds_classes(only):
            return inner
        return cls.image_folder(only)


class TableDataset(OwnDataset):
    """A CSV file with the columns ``path,label`` and, if you like, ``split`` (train, val, test) and
    ``task``.

    Paths are relative to the file's folder. See :class:`OwnDataset`.
    """

    skips_wrappers = False
    advice = "a CSV with the columns path,label[,split[,task]] is needed"

    @classmethod
    def find_folder(cls, root: str) -> Path:
        """The CSV file's folder, which paths are relative to."""
        path = Path(root or ".").expanduser().absolute()
        if not root or not path.is_file():
            raise UserError(
                f"data set {cls.name()}: DATASET.ROOT '{root}' is no file; {cls.advice}"
            )
        return path.parent

    @property
    def table(self) -> Path:
        """The CSV file."""
        return Path(self.cfg.DATASET.ROOT).expanduser().absolute()

    def drawn_name(self) -> str:
        """A name of its own for each table in a folder."""
        return f"split_drawn_{self.table.stem}.json"

    def draw_rule(self, split: Split) -> DrawRule:  # noqa: ARG002 (the same for every split)
        """CoOp's draw, kept in a folder of its own for each table in a folder."""
        return CoopDraw((f"{self.draws_folder}/{self.table.stem}",))

    def labelled(self, folder: Path) -> Iterator[LabelledImage]:  # noqa: ARG002 (the table says all)
        """A row per line of the file."""
        with open(self.table, newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            missing = {"path", "label"} - set(lines.fieldnames or ())
            if missing:
                raise UserError(
                    f"{self.table}: no column {' and '.join(sorted(missing))}; {self.advice}"
                )
            for line in lines:
                yield self._row(line, lines.line_num)

    def _row(self, line: Mapping[str, str | None], number: int) -> LabelledImage:
        path, label, split, task = (
            (line.get(key) or "").strip() for key in ("path", "label", "split", "task")
        )
        part = PARTS.get(split.lower(), "") if "split" in line else "all"
        if not (path and label and part):
            wrong = "split"
            if not (path and label):
                wrong = "label" if path else "path"
            raise UserError(
                f"{self.table} line {number}: {wrong} '{line.get(wrong) or ''}' cannot be used; "
                f"{self.advice}"
            )
        return LabelledImage(part, path.replace("\\", "/").removeprefix("./"), task, label)
