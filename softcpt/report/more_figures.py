"""Makes the tables of what a reviewer asks for beside the figure that methods are compared by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
MAE = "mae"
_NOTES = (
    "%, mean over tasks, ± population std over seeds; – stands where a file does not say it.",
    "Chance: accuracy of guessing. ECE: expected calibration error over 15 bins; lower is better.",
)
_MAE_NOTE = (
    "MAE of a task whose classes are numbers: mean absolute error of the expected value, in their "
    "unit and not in %; lower is better."
)


@dataclass(frozen=True)
class FiguresRow:
    """Of one method at one number of shots: a column's head (:func:`figure_heads`) -> its figure
    over seeds; None: not known of all seeds and tasks."""

    classes: str
    method: str
    shots: int
    figures: dict[str, Summary | None]

    @property
    def where(self) -> str:
        """Classes and shots, for a table."""
        kind = "" if self.classes == "all" else f", {self.classes} classes"
        return f"{'zero-shot' if self.shots == NO_SHOTS else shots_name(self.shots)}{kind}"


def figure_heads(benchmark: Benchmark) -> list[str]:
    """Heads of the columns: means over tasks, then the errors of each ordinal task, whose units are
    its own."""
    return [*FIGURES.values(), *(_mae_head(task) for task in ordinal_tasks(benchmark))]


def ordinal_tasks(benchmark: Benchmark) -> list[str]:
    """The tasks of which a file says a mean absolute error."""
    of_places = benchmark.details.values()
    return [
        task
        for task in benchmark.tasks
        if any(MAE in of_tasks.get(task, {}) for of_tasks in of_places)
    ]


def _mae_head(task: str) -> str:
    return f"MAE, {task}"


def figures_rows(benchmark: Benchmark) -> list[FiguresRow]:
    """In the order of the tables."""
    ordinal = ordinal_tasks(benchmark)
    found: dict[tuple[str, int, str], list[Place]] = {}
    for place in benchmark.places():
        key = (place.classes, place.shots, place.method)
        found.setdefault(key, []).append(place)
    return [
        FiguresRow(
            classes,
            method,
            shots,
            {
                head: _over_seeds(benchmark, places, figure, benchmark.tasks)
                for figure, head in FIGURES.items()
            }
            | {_mae_head(task): _over_seeds(benchmark, places, MAE, [task]) for task in ordinal},
        )
        for (classes, shots, method), places in found.items()
    ]


def _over_seeds(
    benchmark: Benchmark, places: Sequence[Place], figure: str, tasks: Sequence[str]
) -> Summary | None:
    """Of the mean over ``tasks``."""
    means = []
    for place in places:
        of_tasks = benchmark.details.get(place, {})
        values = [of_tasks[task].get(figure, nan) for task in tasks if task in of_tasks]
        known = [value for value in values if isfinite(value)]
        if len(known) < len(tasks):
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
        ["method", "shots", *figure_heads(benchmark)],
        [_row(benchmark, row) for row in rows],
        [*_NOTES, _MAE_NOTE] if ordinal_tasks(benchmark) else _NOTES,
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
    names = [*FIGURES, MAE] if ordinal_tasks(benchmark) else list(FIGURES)
    for place, of_tasks in benchmark.details.items():
        for task, figures in of_tasks.items():
            interval = benchmark.test_interval(place, task)
            yield {
                **where_of(benchmark, place, task),
                **{figure: figures.get(figure) for figure in names},
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
