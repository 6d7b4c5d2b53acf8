"""Reads your own images as tasks, from a CSV file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from softcpt.data.draw_rules import CoopDraw, DrawRule
from softcpt.data.label_columns import label_columns, line_per_label, refuse_names
from softcpt.data.own_images import ImageRow, OwnDataset
from softcpt.data.part_folders import PARTS
from softcpt.data.split import Split
from softcpt.errors import UserError
from softcpt.utils.text_files import read_table, table_columns

_log = logging.getLogger(__name__)


class TableDataset(OwnDataset):
    """A CSV file with the columns ``path,label`` and, if you like, ``split`` (train, val, test) and
    ``task``; or with ``path`` (or ``image``), ``split`` if you like, and a column of labels for
    each task, empty where an image has none (:mod:`softcpt.data.label_columns`).

    Paths are relative to the file's folder. See :class:`OwnDataset`.
    """

    skips_wrappers = False
    advice = (
        "a CSV with the columns path,label[,split[,task]] or path[,split],<a task>,... is needed"
    )

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
        return Path(self.options.root).expanduser().absolute()

    @property
    def place(self) -> str:
        """What messages call the table."""
        return str(self.table)

    def where(self, *numbers: int) -> str:
        """What messages call some lines."""
        lines = "lines" if len(numbers) > 1 else "line"
        return f"{self.place} {lines} {' and '.join(map(str, numbers))}"

    def columns(self) -> list[str]:
        """The table's columns."""
        return table_columns(self.table)

    def table_lines(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Number and cells of every line."""
        return read_table(self.table)

    @cached_property
    def task_columns(self) -> tuple[str, ...]:
        """Columns that are tasks; none: a line has one label. See :class:`OwnDataset`."""
        return label_columns(self.columns(), self.options.label_columns, self.place)

    def drawn_name(self) -> str:
        """A name of its own for each table in a folder."""
        return f"split_drawn_{self.table.stem}.json"

    def draw_rule(self, split: Split) -> DrawRule:  # noqa: ARG002 (the same for every split)
        """CoOp's draw, kept in a folder of its own for each table in a folder."""
        return CoopDraw((f"{self.draws_folder}/{self.table.stem}",))

    def labelled(self, folder: Path) -> Iterator[ImageRow]:  # noqa: ARG002 (the table says all)
        """A row per label: of each line one, or one of each column that has some."""
        return self.each_once(self.rows())

    def rows(self) -> Iterator[tuple[int, ImageRow]]:
        """The number of its line, and every row.

        Raises:
            UserError: a column is missing, or a line cannot be used.
        """
        found, tasks = set(self.columns()), self.task_columns
        image = "path" if tasks and "image" in found else ""
        missing = {"path", *(() if tasks else ("label",))} - found - {image}
        if missing:
            raise UserError(
                f"{self.place}: no column {' and '.join(sorted(missing))}; {self.advice}"
            )
        labels: dict[str, list[str]] = {name: [] for name in tasks}
        bare = 0
        for number, line in self.table_lines():
            where = self.where(number)
            given = list(line_per_label(line, tasks)) if tasks else [line]
            bare += not given
            if not given and not self.options.label_columns:
                raise UserError(
                    f"{where}: {line.get('path') or line['image']} has no label in "
                    f"{', '.join(tasks)}; fill in one, or take the line out"
                )
            for one in given:
                row = self._row(one, where)
                if tasks:
                    labels[row.task].append(row.class_name)
                yield number, row
        if bare:
            _log.info(
                f"{self.called}: {bare:,} images have no label in {', '.join(tasks)} and are left "
                "out (DATASET.LABEL_COLUMNS)"
            )
        if any(labels.values()):
            refuse_names(labels, self.place)

    def each_once(self, rows: Iterable[tuple[int, ImageRow]]) -> Iterator[ImageRow]:
        """The rows without those that are given twice.

        Raises:
            UserError: an image has two labels of one task.
        """
        seen: dict[tuple[str, str], tuple[ImageRow, int]] = {}  # by path and task
        twice: dict[str, None] = {}
        for number, row in rows:
            before, first = seen.setdefault((row.path, row.task), (row, number))
            if first == number:
                yield row
                continue
            if row.class_name != before.class_name:
                of_task = f" of task '{row.task}'" if row.task else ""
                raise UserError(
                    f"{self.where(first, number)}: {row.path} is '{before.class_name}' and "
                    f"'{row.class_name}'{of_task}; an image has one label in a task: correct it"
                )
            if row.part != before.part:
                yield row  # trained on and tested on, which is printed
            else:
                twice[f"{first} and {number}"] = None
        if twice:
            more = f", ... ({len(twice):,} in all)" if len(twice) > 3 else ""
            _log.warning(
                f"{self.called}: rows given twice count once: lines {', '.join([*twice][:3])}{more}"
            )

    def _row(self, line: Mapping[str, str], where: str) -> ImageRow:
        path, label, split, task = (line.get(key, "") for key in ("path", "label", "split", "task"))
        part = PARTS.get(split.lower(), "") if "split" in line else "all"
        if not (path and label and part):
            wrong = "split"
            if not (path and label):
                wrong = "label" if path else "path"
            raise UserError(
                f"{where}: {wrong} '{line.get(wrong) or ''}' cannot be used; {self.advice}"
            )
        return ImageRow(part, path.replace("\\", "/").removeprefix("./"), task, label)
