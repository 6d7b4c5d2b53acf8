"""Reads your own images as tasks, from a CSV file."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from softcpt.data.draw_rules import CoopDraw, DrawRule
from softcpt.data.own_images import ImageRow, OwnDataset
from softcpt.data.part_folders import PARTS
from softcpt.data.split import Split
from softcpt.errors import UserError
from softcpt.utils.text_files import read_table, table_columns

_log = logging.getLogger(__name__)


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
        return Path(self.options.root).expanduser().absolute()

    def drawn_name(self) -> str:
        """A name of its own for each table in a folder."""
        return f"split_drawn_{self.table.stem}.json"

    def draw_rule(self, split: Split) -> DrawRule:  # noqa: ARG002 (the same for every split)
        """CoOp's draw, kept in a folder of its own for each table in a folder."""
        return CoopDraw((f"{self.draws_folder}/{self.table.stem}",))

    def labelled(self, folder: Path) -> Iterator[ImageRow]:  # noqa: ARG002 (the table says all)
        """A row per line of the file."""
        missing = {"path", "label"} - set(table_columns(self.table))
        if missing:
            raise UserError(
                f"{self.table}: no column {' and '.join(sorted(missing))}; {self.advice}"
            )
        seen: dict[tuple[str, str], tuple[ImageRow, int]] = {}  # by path and task
        twice: list[str] = []
        for number, line in read_table(self.table):
            row = self._row(line, f"{self.table} line {number}")
            before, first = seen.setdefault((row.path, row.task), (row, number))
            if first == number:
                yield row
                continue
            if row.class_name != before.class_name:
                of_task = f" of task '{row.task}'" if row.task else ""
                raise UserError(
                    f"{self.table} lines {first} and {number}: {row.path} is "
                    f"'{before.class_name}' and '{row.class_name}'{of_task}; an image has one "
                    "label in a task: correct it"
                )
            if row.part != before.part:
                yield row  # trained on and tested on, which is printed
            else:
                twice.append(f"{first} and {number}")
        if twice:
            more = f", ... ({len(twice):,} in all)" if len(twice) > 3 else ""
            _log.warning(
                f"{self.called}: rows given twice count once: lines {', '.join(twice[:3])}{more}"
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
