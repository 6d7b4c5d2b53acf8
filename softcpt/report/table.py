"""A table before it is Markdown, LaTeX or CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from softcpt.report.statistics import Summary

MISSING = "missing"
NOTHING = "–"


@dataclass(frozen=True)
class Cell:
    """Text, and whether it is the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Row:
    """Cells; ``published`` rows are the papers'; ``rule``: a line stands above."""

    cells: Sequence[Cell]
    published: bool = False
    rule: bool = False


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        slug: for file names, unique in a benchmark.
        title, head: above the rows; the first ``labels`` columns are text, the others numbers.
        notes: sentences below.
        kind: tables of one kind share a CSV file.
        records: the numbers of the table, one mapping each, for that file.
        folded: long tables, which Markdown shows folded.
    """

    kind: str
    slug: str
    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    records: Sequence[dict[str, Any]] = field(default_factory=list)
    labels: int = 1
    folded: bool = False


def mean_cell(found: Summary | None, expected: int, absent: str = MISSING) -> Cell:
    """As "67.68 ± 1.18"; without a deviation for one value, with n where fewer than ``expected``
    values are there."""
    if found is None:
        return Cell(absent)
    text = f"{found.mean:.2f}"
    if found.n > 1:
        text += f" ± {found.std:.2f}"
    if found.n < expected:
        text += f" (n={found.n})"
    return Cell(text)


def mark_best(columns: Sequence[Sequence[float | None]]) -> list[set[int]]:
    """For each column the rows whose printed value is the highest; none where there is nothing to
    compare."""
    return [_best_rows(column) for column in columns]


def _best_rows(column: Sequence[float | None]) -> set[int]:
    shown = {row: round(value, 2) for row, value in enumerate(column) if value is not None}
    if len(shown) < 2:
        return set()
    highest = max(shown.values())
    return {row for row, value in shown.items() if value == highest}


def signed(value: float) -> str:
    """With a sign, a real minus where it is one."""
    return f"{value:+.2f}".replace("-", "−")


def p_text(p: float | None) -> str:
    """A p-value as papers print it."""
    if p is None:
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def listed(words: Sequence[str]) -> str:
    """Joined as "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
