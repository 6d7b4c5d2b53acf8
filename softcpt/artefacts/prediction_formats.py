"""Predictions as text: a table to read, JSON, or CSV; each image is written when it is there.

With a guessed task (``auto``) the column or key is "guessed_task" in place of "task". Where a task
is ordinal, there is a further column or key "expected".
"""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TextIO

from softcpt.artefacts.prediction import Entry, Failed, Prediction
from softcpt.tasks import TaskSet
from softcpt.utils.csv_cells import defused

_WIDEST = 60  # characters of a path or a name that a column of the table is made for


class Writer(ABC):
    """Writes entries to a file.

    Args:
        file: text that is written to.
        paths: of all images, in any order.
        tasks: whose classes are predicted.
        guessed: whether tasks are guessed.
    """

    def __init__(self, file: TextIO, paths: Sequence[str], tasks: TaskSet, guessed: bool) -> None:
        self.file, self.paths, self.tasks = file, paths, tasks
        self.task_key = "guessed_task" if guessed else "task"
        self.ordinal = any(task.values for task in tasks)

    def begin(self) -> None:  # noqa: B027 - not every format has a head
        """Write what is in front of all images."""

    @abstractmethod
    def row(self, path: str, entry: Entry) -> None:
        """Write one image."""

    def end(self) -> None:  # noqa: B027 - not every format has one
        """Write what is behind all images."""


class TableWriter(Writer):
    """Columns of a fixed width. Of several predictions the path stands beside the first."""

    def begin(self) -> None:
        """The head, with the widths that all rows have."""
        several = len(self.tasks) > 1
        task = "task (a guess)" if self.task_key == "guessed_task" else "task"
        self.widths = [
            min(_WIDEST, max(len(head), *map(len, values)))
            for head, values in (
                ("image", self.paths),
                (task, self.tasks.names),
                ("label", self.tasks.class_names),
            )
        ]
        self.shows_task = several or self.task_key == "guessed_task"
        expected = "  expected" if self.ordinal else ""
        self._line("image", task, "label", "probability" + expected)
        image, owner, label = ("-" * width for width in self.widths)
        self._line(image, owner, label, "-" * len("probability") + ("  " + "-" * 8) * self.ordinal)

    def row(self, path: str, entry: Entry) -> None:
        """A line for each prediction."""
        if isinstance(entry, Failed):
            self.file.write(f"{path:<{self.widths[0]}}  {entry.reason}\n")
            return
        for place, one in enumerate(_several(entry)):
            shown = "" if place else path
            expected = "" if one.expected is None else f"  {one.expected:>8.4g}"
            self._line(shown, one.task, one.label, f"{one.probability:>11.4f}{expected}")

    def _line(self, image: str, task: str, label: str, probability: str) -> None:
        cells = [image, *([task] if self.shows_task else []), label]
        widths = [self.widths[0], *([self.widths[1]] if self.shows_task else []), self.widths[2]]
        text = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        self.file.write(f"{text}  {probability}\n")


class JsonWriter(Writer):
    """A list with an object for each image, one a line."""

    def begin(self) -> None:
        """The list's bracket."""
        self.file.write("[")
        self._behind = ""

    def row(self, path: str, entry: Entry) -> None:
        """{"image": ..., "predictions": [...]}, or {"image": ..., "error": ...}."""
        found = json.dumps(as_json(path, entry, self.task_key), ensure_ascii=False)
        self.file.write(f"{self._behind}\n{found}")
        self._behind = ","

    def end(self) -> None:
        """The other bracket."""
        self.file.write("\n]\n")


class CsvWriter(Writer):
    """A row for each prediction; one for an image that could not be read. Text is
    :func:`softcpt.utils.csv_cells.defused`."""

    def begin(self) -> None:
        """The head."""
        self._csv = csv.writer(self.file, lineterminator="\n")
        expected = ["expected"] if self.ordinal else []
        head = ["image", "rank", self.task_key, "label", "probability", "error", *expected]
        self._csv.writerow(head)

    def row(self, path: str, entry: Entry) -> None:
        """Ranks count from 1 in each task."""
        if isinstance(entry, Failed):
            self._row(path, "", "", "", "", entry.reason, *[""] * self.ordinal)
            return
        rank, task = 0, ""
        for one in _several(entry):
            rank, task = (rank + 1 if one.task == task else 1), one.task
            row: list[str | float] = [path, rank, one.task, one.label, f"{one.probability:.6f}", ""]
            if self.ordinal:
                row.append("" if one.expected is None else float(f"{one.expected:.6g}"))
            self._row(*row)

    def _row(self, *cells: str | float) -> None:
        self._csv.writerow([defused(cell) for cell in cells])


def as_json(path: str, entry: Entry, task_key: str = "task") -> dict[str, Any]:
    """{"image": ..., "predictions": [...]}, or {"image": ..., "error": ...}."""
    if isinstance(entry, Failed):
        return {"image": path, "error": entry.reason}
    return {
        "image": path,
        "predictions": [_prediction(one, task_key) for one in _several(entry)],
    }


def _prediction(one: Prediction, task_key: str) -> dict[str, Any]:
    found = {task_key: one.task, "label": one.label, "probability": one.probability}
    return found if one.expected is None else {**found, "expected": one.expected}


def _several(entry: Prediction | list[Prediction]) -> list[Prediction]:
    return entry if isinstance(entry, list) else [entry]


WRITERS: dict[str, type[Writer]] = {"table": TableWriter, "json": JsonWriter, "csv": CsvWriter}
