"""A part of an inspection, before it is text or a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from softcpt.report.table import Cell, Row, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Part:
    """What was found.

    Attributes:
        title: its heading.
        text: paragraphs that say how to read it.
        tables: short ones; all their numbers are in ``records``.
        pictures: (file name without ending, what it shows, figure).
        records: file name without ending -> rows of a CSV file.
        missing: why there is nothing, or not everything; one line.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[tuple[str, str, Figure]] = ()
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    missing: Sequence[str] = ()


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], labels: int = 1) -> Table:
    """A table of text; the first ``labels`` columns are words, the others numbers."""
    shown = [Row([Cell(text) for text in row]) for row in rows]
    return Table("", "", title, head, shown, labels=labels, folded=len(rows) > 20)


def percent(value: float | None) -> str:
    """With one decimal; a dash for nothing."""
    return "–" if value is None else f"{value:.1f}"
