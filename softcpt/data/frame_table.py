"""Reads your own images as tasks, from a table of pandas."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from softcpt.data.draw_rules import DrawRule, unkept_draw
from softcpt.data.options import DataOptions
from softcpt.data.own_images import ImageRow
from softcpt.data.own_table import TableDataset
from softcpt.data.split import Split


def is_frame(source: Any) -> bool:
    """Whether ``source`` is a table of pandas, or of a package that has the same names."""
    return hasattr(source, "columns") and hasattr(source, "to_dict")


class FrameTable(TableDataset):
    """A table with the columns ``path``, ``label`` and, if you like, ``split`` and ``task``, or
    with a column of labels for each task: what the same CSV file would be.

    Paths are relative to the current folder. As the table lies nowhere, no split and no draw is
    written: both follow from its rows and the seed.

    Args:
        frame: the table.
        options: what is asked for; ``root`` does not count.
        name: the task's, where the table has no column ``task``.
    """

    advice = "the columns path,label[,split[,task]] or path[,split],<a task>,... are needed"

    def __init__(self, frame: Any, options: DataOptions, name: str) -> None:
        self.frame, self.task_called = frame, name
        super().__init__(replace(options, root="the table"))

    @classmethod
    def name(cls) -> str:
        """What messages call it."""
        return "table"

    @classmethod
    def find_folder(cls, root: str) -> Path:  # noqa: ARG003 (the table has none)
        """The current folder."""
        return Path.cwd()

    @property
    def default_task_name(self) -> str:
        """As its user calls it."""
        return self.task_called

    def draw_rule(self, split: Split) -> DrawRule:  # noqa: ARG002 (the same for every split)
        """CoOp's draw, kept nowhere."""
        return unkept_draw

    @property
    def place(self) -> str:
        """What messages call the table."""
        return "table"

    def where(self, *numbers: int) -> str:
        """What messages call some rows."""
        rows = "rows" if len(numbers) > 1 else "row"
        return f"table {rows} {' and '.join(map(str, numbers))}"

    def columns(self) -> list[str]:
        """The table's columns."""
        return [str(name) for name in self.frame.columns]

    def table_lines(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Number and cells of every row."""
        names = self.task_columns
        known = [
            name
            for name in self.frame.columns
            if str(name) in ("path", "image", "label", "split", "task", *names)
        ]
        columns = [list(self.frame[name]) for name in known]
        for number, cells in enumerate(zip(*columns)):
            yield (
                number,
                {
                    str(name): _text(cell, whole=str(name) in names)
                    for name, cell in zip(known, cells)
                },
            )

    def labelled(self, folder: Path) -> Iterator[ImageRow]:  # noqa: ARG002 (the table says all)
        """A row per label."""
        if self.task_columns:
            return self.each_once(self.rows())
        return (row for _, row in self.rows())

    def _kept(self, rows: list[ImageRow], folder: Path) -> Split:  # noqa: ARG002 (no file)
        return self.as_split(rows)


def _text(cell: Any, whole: bool) -> str:
    """A cell as a CSV file has it; an empty one is None, not a number, or pandas' NA. With
    ``whole`` 25.0 is 25: pandas makes it so in a column with empty cells."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(cell, float):
        if math.isnan(cell):
            return ""
        if whole and cell.is_integer():
            return str(int(cell))
    return str(cell)
