"""Reads your own images as tasks, from a table of pandas."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from softcpt.data.draw_rules import DrawRule, unkept_draw
from softcpt.data.options import DataOptions
from softcpt.data.own_images import ImageRow
from softcpt.data.own_table import TableDataset
from softcpt.data.split import Split
from softcpt.errors import UserError


def is_frame(source: Any) -> bool:
    """Whether ``source`` is a table of pandas, or of a package that has the same names."""
    return hasattr(source, "columns") and hasattr(source, "to_dict")


class FrameTable(TableDataset):
    """A table with the columns ``path``, ``label`` and, if you like, ``split`` and ``task``: what
    the same CSV file would be.

    Paths are relative to the current folder. As the table lies nowhere, no split and no draw is
    written: both follow from its rows and the seed.

    Args:
        frame: the table.
        options: what is asked for; ``root`` does not count.
        name: the task's, where the table has no column ``task``.
    """

    advice = "the columns path,label[,split[,task]] are needed"

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

    def labelled(self, folder: Path) -> Iterator[ImageRow]:  # noqa: ARG002 (the table says all)
        """A row per row of the table."""
        missing = {"path", "label"} - set(self.frame.columns)
        if missing:
            raise UserError(f"table: no column {' and '.join(sorted(missing))}; {self.advice}")
        known = [name for name in ("path", "label", "split", "task") if name in self.frame.columns]
        columns = [list(self.frame[name]) for name in known]
        for number, cells in enumerate(zip(*columns)):
            line = {name: _text(cell) for name, cell in zip(known, cells)}
            yield self._row(line, f"table row {number}")

    def _kept(self, rows: list[ImageRow], folder: Path) -> Split:  # noqa: ARG002 (no file)
        return self.as_split(rows)


def _text(cell: Any) -> str:
    """A cell as a CSV file has it; an empty one is None, or not a number."""
    empty = cell is None or (isinstance(cell, float) and math.isnan(cell))
    return "" if empty else str(cell)
