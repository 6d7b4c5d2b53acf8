"""Makes the tables of what a reviewer asks for beside the figure that methods are compared by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

from softcpt.report.benchmark import NO_SHOTS, Benchmark, Place, is_zero_shot, shots_name
from softcpt.report.statistics import Summary, summary
from softcpt.report.table import NOTHING, Cell, Row, Table, mean_cell

# Name in results.json -> head of the column.
FIGURES = {
    "accuracy": "accuracy",
    "top5": "top-5",
    "macro_f1": "macro-F1",
    "chance": "chance",
    "ece": "ECE",
}
_NOTES = (
    "%, mean over tasks, ± population std over seeds; – stands where a file does not say it.",
    "Chance: accuracy of guessing. ECE: expected calibration error over 15 bins; lower is better.",
)


@dataclass(frozen=True)
class FiguresRow:
    """Of one method at one number of shots: figure -> mean over tasks, over seeds; None: not known
    of all seeds and tasks."""

    classes: str
    method: str
    shots: int
    figures: dict[str, Summary | None]

    @property
    def where(self) -> str:
        """Classes and shots, for a table."""
        kind = "" if self.classes == "all" else f", {self.classes} classes"
        return f"{'zero-shot' if self.shots == NO_SHOTS else shots_name(self.shots)}{kind}"


def figures_rows(benchmark: Benchmark) -> list[FiguresRow]:
    """In the order of the tables."""
    found: dict[tuple[str, int, str], list[Place]] = {}
    for place in benchmark.places():
        key = (place.classes, place.shots, place.method)
        found.setdefault(key, []).append(place)
    return [
        FiguresRow(
            classes,
            method,
            shots,
            {figure: _over_seeds(benchmark, places, figure) for figure in FIGURES},
        )
        for (classes, shots, method), places in found.items()
    ]


def _over_seeds(benchmark: Benchmark, places: list[Place], figure: str) -> Summary | None:
    means = []
    for place in places:
        of_tasks = benchmark.details.get(place, {})
        values = [of_tasks[task].get(figure, nan) for task in benchmark.tasks if task in of_tasks]
        known = [value for value in values if isfinite(value)]
        if len(known) < len(benchmark.tasks):
            return None
        means.append(sum(known) / len(known))
    return summary(means)


def figures_table(benchmark: Benchmark) -> Table | None:
    """One row per method and number of shots; None where no file says more than its metric."""
    rows = [row for row in figures_rows(benchmark) if any(row.figures.values())]
    if not rows:
        return None
    return Table(
        "figures",
        "figures",
        f"{benchmark.name}: more figures",
        ["method", "shots", *FIGURES.values()],
        [_row(benchmark, row) for row in rows],
        _NOTES,
        list(_records(benchmark)),
        labels=2,
        folded=True,
    )


def _row(benchmark: Benchmark, row: FiguresRow) -> Row:
    expected = benchmark.expected_seeds(row.method, row.classes)
    cells = [mean_cell(found, expected, NOTHING) for found in row.figures.values()]
    return Row([Cell(row.method), Cell(row.where), *cells])


def _records(benchmark: Benchmark) -> Iterator[dict[str, Any]]:
    """One per run and task."""
    for place, of_tasks in benchmark.details.items():
        for task, figures in of_tasks.items():
            interval = benchmark.test_interval(place, task)
            yield {
                **where_of(benchmark, place, task),
                **{figure: figures.get(figure) for figure in FIGURES},
                "test_ci95_low": interval and interval[0],
                "test_ci95_high": interval and interval[1],
            }


def where_of(benchmark: Benchmark, place: Place, task: str) -> dict[str, Any]:
    """Where a task's figures of a run stand, as columns of a table."""
    return {
        "group": benchmark.group,
        "benchmark": benchmark.name,
        "method": place.method,
        "classes": place.classes,
        "shots": NO_SHOTS if is_zero_shot(place.method) else place.shots,
        "seed": place.seed,
        "task": task,
    }
