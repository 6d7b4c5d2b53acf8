"""Few-shot and per-task tables of a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from softcpt.report.benchmark import NO_SHOTS, Benchmark, is_zero_shot, shots_name, slug
from softcpt.report.published import PublishedRow, published_rows
from softcpt.report.statistics import Summary, half_width, summary
from softcpt.report.table import MISSING, NOTHING, Cell, Row, Table, listed, mark_best, mean_cell

AVERAGE = None  # in place of shots: the column "Avg."


def few_shot_tables(benchmark: Benchmark) -> list[Table]:
    """Mean and population std over seeds, published rows below ours; then 95 % intervals."""
    shots, methods = benchmark.shots(), benchmark.methods()
    if not methods:
        return []
    columns: list[int | None] = [*shots, *([AVERAGE] if len(shots) != 1 else [])]
    found = {
        method: {column: few_shot(benchmark, method, column) for column in columns}
        for method in methods
    }
    head = ["method", *(shots_name(column) if column is not None else "Avg." for column in columns)]
    notes = accuracy_notes(benchmark, methods)
    rows, published = _few_shot_rows(benchmark, columns, found)
    if published:
        notes.append(
            "Rows in italics are published figures; runs of other code, on other draws of images."
        )
    records = [
        _record(benchmark, method, "all", column, "mean over tasks", value)
        for method in methods
        for column, value in found[method].items()
    ]
    intervals = [
        Row(
            [
                Cell(method),
                *(_interval(found[method][column], method, column) for column in columns),
            ]
        )
        for method in methods
    ]
    over = f"mean over {len(benchmark.tasks)} tasks, %" if len(benchmark.tasks) > 1 else "%"
    return [
        Table(
            "accuracy",
            "few-shot",
            f"{benchmark.name}: {over}, mean ± population std over seeds",
            head,
            rows,
            notes,
            records + _published_records(benchmark, columns),
        ),
        Table(
            "accuracy",
            "few-shot-intervals",
            f"{benchmark.name}: {over}, 95 % Student-t intervals over seeds",
            head,
            intervals,
            [
                "Over the seeds that are there; over three seeds an interval is wide, as t(0.975, "
                "2) is 4.3."
            ],
        ),
    ]


def few_shot(
    benchmark: Benchmark,
    method: str,
    shots: int | None,
    classes: str = "all",
    task: str | None = None,
) -> Summary | None:
    """Over seeds at one number of shots; AVERAGE is the mean of the means ± the mean of the stds,
    as the papers print.

    The average needs every number of shots; its interval is that of the seeds which have all of
    them.
    """
    settings = benchmark.shots(classes)
    if shots is not AVERAGE or is_zero_shot(method):
        if is_zero_shot(method) and shots is not AVERAGE and len(settings) != 1:
            return None  # stands under "Avg." alone, as in the papers
        return summary(list(benchmark.values(method, shots or NO_SHOTS, task, classes).values()))
    values = [benchmark.values(method, each, task, classes) for each in settings]
    if not all(values):
        return None
    parts = [summary(list(each.values())) for each in values]
    whole = [seed for seed in values[0] if all(seed in each for each in values)]
    of_seeds = [float(np.mean([each[seed] for each in values])) for seed in whole]
    return Summary(
        min(part.n for part in parts),
        float(np.mean([part.mean for part in parts])),
        float(np.mean([part.std for part in parts])),
        half_width(of_seeds),
    )


def _few_shot_rows(
    benchmark: Benchmark,
    columns: Sequence[int | None],
    found: dict[str, dict[int | None, Summary | None]],
) -> tuple[list[Row], bool]:
    """A row per method with the paper's row for it right below; the paper's other methods at the
    end."""
    expected = len(benchmark.seeds())
    verified = [method for method in found if benchmark.verified(method)]
    best = mark_best([[whole_mean(found[m][c], m, expected) for m in verified] for c in columns])
    published = published_rows(benchmark.name, benchmark.backbone)
    rows = []
    for method, cells in found.items():
        shown = []
        for index, column in enumerate(columns):
            absent = NOTHING if is_zero_shot(method) else MISSING
            cell = mean_cell(cells[column], 0 if is_zero_shot(method) else expected, absent)
            shown.append(
                Cell(cell.text, method in verified and verified.index(method) in best[index])
            )
        rows.append(Row([Cell(method), *shown]))
        rows += [_published_row(row, columns) for row in published if method in row.ours]
    rows += [_published_row(row, columns) for row in published if not set(row.ours) & set(found)]
    return rows, bool(published)


def whole_mean(found: Summary | None, method: str, expected: int) -> float | None:
    """The mean, if it is over all seeds: a lucky seed alone is not the best."""
    return found.mean if found and (found.n >= expected or is_zero_shot(method)) else None


def _published_row(row: PublishedRow, columns: Sequence[int | None]) -> Row:
    cells = [
        Cell("{:.2f} ± {:.2f}".format(*row.cells[column]) if column in row.cells else NOTHING)
        for column in columns
    ]
    return Row([Cell(f"{row.name} (published)"), *cells], published=True)


def _interval(found: Summary | None, method: str, column: int | None) -> Cell:
    if found is None:
        return Cell(NOTHING if is_zero_shot(method) and column is not AVERAGE else MISSING)
    if found.half_width is None or is_zero_shot(method):
        return Cell(f"{found.mean:.2f}")
    return Cell(
        f"{found.mean:.2f} ({found.mean - found.half_width:.2f} to "
        f"{found.mean + found.half_width:.2f})"
    )


def accuracy_notes(benchmark: Benchmark, methods: Sequence[str], classes: str = "all") -> list[str]:
    """What to know when reading a table of means over seeds."""
    seeds = benchmark.seeds(classes)
    notes = [
        f"{'Seeds' if len(seeds) > 1 else 'Seed'} {listed(list(map(str, seeds)))}; n is given "
        "where runs are missing. "
        "Bold: highest mean over all seeds, whatever the interval."
    ]
    if any(not benchmark.verified(method) for method in methods):
        notes.append(
            "(log): read from a log.txt; settings, split and views are not verified; in no test."
        )
    return notes


def missing_runs(benchmark: Benchmark, classes: str = "all") -> list[str]:
    """Sentences naming the runs (or their tasks) that a full table would have."""
    told = []
    for method in benchmark.methods(classes):
        if is_zero_shot(method) or not benchmark.verified(method):
            continue
        for shots in benchmark.shots(classes):
            gone = sorted(
                set(benchmark.seeds(classes))
                - benchmark.values(method, shots, None, classes).keys()
            )
            if gone:
                kind = "" if classes == "all" else f" on {classes} classes"
                told.append(
                    f"{method}, {shots_name(shots)}{kind}: no whole result for "
                    f"{'seed' if len(gone) == 1 else 'seeds'} {listed(list(map(str, gone)))}"
                )
    return told


def _record(
    benchmark: Benchmark,
    method: str,
    classes: str,
    shots: int | None,
    task: str,
    found: Summary | None,
) -> dict[str, Any]:
    source = "results.json" if benchmark.verified(method) else "log.txt"
    low = high = None
    if found and found.half_width is not None:
        low, high = found.mean - found.half_width, found.mean + found.half_width
    return {
        "group": benchmark.group,
        "benchmark": benchmark.name,
        "source": source,
        "method": method,
        "classes": classes,
        "shots": "average" if shots is None else shots,
        "task": task,
        "n": found.n if found else 0,
        "mean": found and found.mean,
        "std": found and found.std,
        "ci95_low": low,
        "ci95_high": high,
    }


def _published_records(benchmark: Benchmark, columns: Sequence[int | None]) -> list[dict[str, Any]]:
    return [
        {
            "group": benchmark.group,
            "benchmark": benchmark.name,
            "source": "published",
            "method": row.name,
            "classes": "all",
            "shots": "average" if column is None else column,
            "task": "mean over tasks",
            "n": 3,
            "mean": row.cells[column][0],
            "std": row.cells[column][1],
            "ci95_low": None,
            "ci95_high": None,
        }
        for row in published_rows(benchmark.name, benchmark.backbone)
        for column in columns
        if column in row.cells
    ]


def task_tables(benchmark: Benchmark) -> list[Table]:
    """Per number of shots: tasks x methods."""
    if len(benchmark.tasks) < 2 or not benchmark.methods():
        return []
    return [_task_table(benchmark, shots) for shots in benchmark.shots() or [NO_SHOTS]]


def _task_table(benchmark: Benchmark, shots: int) -> Table:
    methods, expected = benchmark.methods(), len(benchmark.seeds())
    rows, records = [], []
    for task in [*benchmark.tasks, None]:
        found = [
            summary(list(benchmark.values(method, shots, task).values())) for method in methods
        ]
        best = mark_best(
            [
                [
                    whole_mean(value, method, expected) if benchmark.verified(method) else None
                    for method, value in zip(methods, found)
                ]
            ]
        )[0]
        cells = [
            Cell(mean_cell(value, 0 if is_zero_shot(method) else expected).text, index in best)
            for index, (method, value) in enumerate(zip(methods, found))
        ]
        rows.append(
            Row([Cell("mean over tasks" if task is None else task), *cells], rule=task is None)
        )
        records += [
            _record(benchmark, method, "all", shots, task, value)
            for method, value in zip(methods, found)
            if task is not None
        ]
    what = shots_name(shots) if shots != NO_SHOTS else "zero-shot"
    title = f"{benchmark.name}, {what}: every task, %, mean ± population std over seeds"
    return Table(
        "accuracy",
        f"tasks-{slug(shots)}",
        title,
        ["task", *methods],
        rows,
        accuracy_notes(benchmark, methods),
        records,
        folded=True,
    )
