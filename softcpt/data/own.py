"""Your own images as tasks: a folder, or a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from softcpt.data.base import TaskDataset
from softcpt.data.listing import class_folders, scan, unnested
from softcpt.data.names import words
from softcpt.data.side import side_file
from softcpt.data.split import DRAW_SEED, Item, Split, read_split, write_drawn
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet

# What people call the parts of a split.
PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


class OwnDataset(TaskDataset):
    """Images of no published data set, where ``DATASET.ROOT`` says. Divided 50/20/30 unless they come divided.

    That split is written beside them at the first run and read from then on; images that come or go later are not taken
    in behind your back. Without test images the validation images are tested on, as with ImageNet.
    """

    advice = "correct it"

    def read_or_draw(self, folder: Path) -> Split:
        """The split as the images come, or as it was drawn at the first run.

        Raises:
            UserError: images came or went since.
        """
        rows = list(self.labelled(folder))
        if not rows:
            raise UserError(f"data set {self.name()}: no images in {self.cfg.DATASET.ROOT}; {self.advice}")
        if any(part == "all" for part, *_ in rows):
            return self._kept(rows, folder)
        split = self.as_split(rows)
        if not split.train:
            raise UserError(f"data set {self.name()}: no training images in {self.cfg.DATASET.ROOT}; {self.advice}")
        return (
            split
            if split.test
            else Split(split.train, [], split.val, split.class_names, split.task_names, split.source)
        )

    def labelled(self, folder: Path) -> Iterator[tuple[str, str, str, str]]:
        """(part, path, task, class) of every image; part "all" where not yet divided, task "" where it has no name."""
        raise NotImplementedError

    def as_split(self, rows: list[tuple[str, str, str, str]]) -> Split:
        """Tasks are numbered in order of appearance, classes in alphabetical order."""
        tasks = {task: index for index, task in enumerate(dict.fromkeys(task for _, _, task, _ in rows))}
        names = [sorted({label for _, _, task, label in rows if task == name}) for name in tasks]
        labels = [{name: index for index, name in enumerate(group)} for group in names]
        pools: dict[str, list[Item]] = {}
        for part, path, task, label in rows:
            pools.setdefault(part, []).append(Item(path, tasks[task], labels[tasks[task]][label]))
        return Split(*self.divide(pools.items()), names, list(tasks), source=Path(self.cfg.DATASET.ROOT).name)

    def _kept(self, rows: list[tuple[str, str, str, str]], folder: Path) -> Split:
        path = side_file(folder, self.drawn_name())
        if not path.is_file():
            write_drawn(path, self.as_split(rows), "ratio")
            print(
                f"{self.name()}: 50/20/30 of every class for training, validation and test, written to {path} "
                f"(seed {DRAW_SEED})"
            )
        split = read_split(path, inside=False)  # a table may name images anywhere
        known = {item.path for part in (split.train, split.val, split.test) for item in part}
        here = {row[1] for row in rows}
        new, gone = len(here - known), len(known - here)
        if new or gone and self.option("ON_MISSING", "stop") != "skip":
            without = "" if new else ", DATASET.ON_MISSING skip goes on without them"
            raise UserError(
                f"{path}: images came or went since this split was drawn ({new} new, {gone} gone); delete it to draw a "
                f"new one{without}"
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
                f"DATASET.TASK_NAME: {self.cfg.DATASET.ROOT} has {len(split.class_names)} tasks, named there"
            )
        template = self.option("TEMPLATE", "") or self.template
        return TaskSet(
            [
                Task(name, classes, self.task_metric, template)
                for name, classes in zip(split.task_names, split.class_names)
            ]
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
            raise UserError(f"data set {cls.name()}: DATASET.ROOT '{root}' is no folder; give that of your classes")
        return folder

    def labelled(self, folder: Path) -> Iterator[tuple[str, str, str, str]]:
        """A row per image."""
        images = self.image_folder(folder)
        parts = {name: PARTS.get(name.lower(), "") for name in scan(images)[0]}
        if "train" not in parts.values() or not all(parts.values()):
            yield from ((part, path, "", label) for part, path, label in self._classes(images, "all", ""))
            return
        for name, part in parts.items():
            yield from ((part, path, "", label) for part, path, label in self._classes(images / name, part, f"{name}/"))

    @staticmethod
    def _classes(folder: Path, part: str, prefix: str) -> Iterator[tuple[str, str, str]]:
        for label, paths in class_folders(folder).items():
            yield from ((part, prefix + path, label) for path in paths)

    @classmethod
    def image_folder(cls, folder: Path) -> Path:
        """``folder``, or the one folder in it."""
        return unnested(folder)


class TableDataset(OwnDataset):
    """A CSV file with the columns ``path,label`` and, if you like, ``split`` (train, val, test) and ``task``.

    Paths are relative to the file's folder. See :class:`OwnDataset`.
    """

    advice = "a CSV with the columns path,label[,split[,task]] is needed"

    @classmethod
    def find_folder(cls, root: str) -> Path:
        """The CSV file's folder, which paths are relative to."""
        path = Path(root or ".").expanduser().absolute()
        if not root or not path.is_file():
            raise UserError(f"data set {cls.name()}: DATASET.ROOT '{root}' is no file; {cls.advice}")
        return path.parent

    @classmethod
    def image_folder(cls, folder: Path) -> Path:
        """The file's folder."""
        return folder

    @property
    def table(self) -> Path:
        """The CSV file."""
        return Path(self.cfg.DATASET.ROOT).expanduser().absolute()

    def drawn_name(self) -> str:
        """A name of its own for each table in a folder."""
        return f"split_drawn_{self.table.stem}.json"

    @property
    def draws_folder(self) -> str:
        """A folder of its own for each table in a folder."""
        return f"split_fewshot/{self.table.stem}"

    def labelled(self, folder: Path) -> Iterator[tuple[str, str, str, str]]:
        """A row per line of the file."""
        with open(self.table, newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            missing = {"path", "label"} - set(lines.fieldnames or ())
            if missing:
                raise UserError(f"{self.table}: no column {' and '.join(sorted(missing))}; {self.advice}")
            for line in lines:
                yield self._row(line, lines.line_num)

    def _row(self, line: Mapping[str, str | None], number: int) -> tuple[str, str, str, str]:
        path, label, split, task = ((line.get(key) or "").strip() for key in ("path", "label", "split", "task"))
        part = PARTS.get(split.lower(), "") if "split" in line else "all"
        if not (path and label and part):
            wrong = "path" if not path else "label" if not label else "split"
            raise UserError(
                f"{self.table} line {number}: {wrong} '{line.get(wrong) or ''}' cannot be used; {self.advice}"
            )
        return part, path.replace("\\", "/").removeprefix("./"), task, label
