"""Makes few-shot and per-task tables of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from softcpt.report.benchmark import NO_SHOTS, Benchmark, is_zero_shot, shots_name, slug
from softcpt.report.published import PublishedRow
from softcpt.report.statistics import Summary, describe, half_width, summary
from softcpt.report.table import MISSING, NOTHING, Cell, Row, Table, listed, mark_best, mean_cell

AVERAGE = None  # in place of shots: the column "Avg."
# Method -> number of shots or AVERAGE -> figures over seeds.
FewShot = Mapping[str, Mapping[int | None, Summary | None]]
_PUBLISHED_NOTE = (
    "Rows in italics are published figures; runs of other code, on other draws of images."
)
_OTHER_WEIGHTS_NOTE = (
    "Published, other weights: ours has the architecture of the published backbone, and was loaded "
    "from a file of its own."
)
_INTERVALS_NOTE = (
    "Over the seeds that are there; over three seeds an interval is wide, as t(0.975, 2) is 4.3."
)
_TEST_INTERVALS_NOTE = (
    "In square brackets, of a single run and of zero-shot: over its test images, Wilson's interval "
    "of the accuracy, of several tasks combined as independent (MOVER)."
)


def few_shot_tables(benchmark: Benchmark) -> list[Table]:
    """Mean and population std over seeds, published rows below ours; then 95 % intervals."""
    shots, methods = benchmark.shots(), benchmark.methods()
    if not methods:
        return []
    columns: list[int | None] = list(shots)
    if len(shots) != 1:
        columns.append(AVERAGE)
    found = {
        method: {column: few_shot(benchmark, method, column) for column in columns}
        for method in methods
    }
    return [_means(benchmark, columns, found), _intervals(benchmark, columns, found)]


def _head(columns: Sequence[int | None]) -> list[str]:
    return ["method", *("Avg." if column is None else shots_name(column) for column in columns)]


def _what(benchmark: Benchmark) -> str:
    over = f"mean over {len(benchmark.tasks)} tasks, %" if len(benchmark.tasks) > 1 else "%"
    return f"{benchmark.name}: {over}"


def _means(benchmark: Benchmark, columns: Sequence[int | None], found: FewShot) -> Table:
    notes = accuracy_notes(benchmark, list(found))
    rows = _few_shot_rows(benchmark, columns, found)
    if benchmark.published:
        notes.append(_PUBLISHED_NOTE)
    if any(row.other_weights for row in benchmark.published):
        notes.append(_OTHER_WEIGHTS_NOTE)
    records = []
    for method, cells in found.items():
        for column, cell in cells.items():
            records.append(_record(benchmark, method, column, "mean over tasks", cell))
    return Table(
        "accuracy",
        "few-shot",
        f"{_what(benchmark)}, mean ± population std over seeds",
        _head(columns),
        rows,
        notes,
        records + _published_records(benchmark, columns),
    )


def _intervals(benchmark: Benchmark, columns: Sequence[int | None], found: FewShot) -> Table:
    rows = []
    for method, cells in found.items():
        intervals = [_interval(benchmark, cells[column], method, column) for column in columns]
        rows.append(Row([Cell(method), *intervals]))
    return Table(
        "accuracy",
        "few-shot-intervals",
        f"{_what(benchmark)}, 95 % Student-t intervals over seeds",
        _head(columns),
        rows,
        [_INTERVALS_NOTE, _TEST_INTERVALS_NOTE],
    )


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
        return summary(benchmark.values(method, shots or NO_SHOTS, task, classes).values())
    values = [benchmark.values(method, each, task, classes) for each in settings]
    if not all(values):
        return None
    parts = [describe(each.values()) for each in values]
    whole = [seed for seed in values[0] if all(seed in each for each in values)]
    of_seeds = [float(np.mean([each[seed] for each in values])) for seed in whole]
    return Summary(
        min(part.n for part in parts),
        float(np.mean([part.mean for part in parts])),
        float(np.mean([part.std for part in parts])),
        half_width(of_seeds),
    )


def _few_shot_rows(
    benchmark: Benchmark, columns: Sequence[int | None], found: FewShot
) -> list[Row]:
    """A row per method with the paper's row for it right below; the paper's other methods at the
    end."""
    methods = list(found)
    means = [[whole_mean(benchmark, found[m][column], m) for m in methods] for column in columns]
    best = mark_best(means)
    published = benchmark.published
    rows = []
    for row, method in enumerate(methods):
        absent = NOTHING if is_zero_shot(method) else MISSING
        cells = []
        for column, marked in zip(columns, best):
            cell = mean_cell(found[method][column], benchmark.expected_seeds(method), absent)
            cells.append(Cell(cell.text, row in marked))
        rows.append(Row([Cell(method), *cells]))
        rows += [_published_row(each, columns) for each in published if method in each.ours]
    others = [each for each in published if not set(each.ours) & set(methods)]
    return rows + [_published_row(each, columns) for each in others]


def whole_mean(
    benchmark: Benchmark, found: Summary | None, method: str, classes: str = "all"
) -> float | None:
    """The mean, if it may be the best: verified and over all seeds, as a lucky one alone is not."""
    if found is None or not benchmark.verified(method):
        return None
    return found.mean if found.n >= benchmark.expected_seeds(method, classes) else None


def _published_row(row: PublishedRow, columns: Sequence[int | None]) -> Row:
    cells = [
        Cell("{:.2f} ± {:.2f}".format(*row.cells[column]) if column in row.cells else NOTHING)
        for column in columns
    ]
    return Row([Cell(row.label), *cells], published=True)


def _interval(benchmark: Benchmark, found: Summary | None, method: str, column: int | None) -> Cell:
    if found is None:
        return Cell(NOTHING if is_zero_shot(method) and column is not AVERAGE else MISSING)
    if found.half_width is None or is_zero_shot(method):
        tested = None
        if column is not AVERAGE or is_zero_shot(method):
            tested = benchmark.interval_of_single_run(method, column or NO_SHOTS)
        between = f" [{tested[0]:.2f} to {tested[1]:.2f}]" if tested else ""
        return Cell(f"{found.mean:.2f}{between}")
    return Cell(
        f"{found.mean:.2f} ({found.mean - found.half_width:.2f} to "
        f"{found.mean + found.half_width:.2f})"
    )


def accuracy_notes(benchmark: Benchmark, methods: Sequence[str], classes: str = "all") -> list[str]:
    """What to know when reading a table of means over seeds."""
    seeds = benchmark.seeds(classes)
    named = f"{'Seeds' if len(seeds) > 1 else 'Seed'} {listed(list(map(str, seeds)))}"
    best = "Bold: highest mean over all seeds, whatever the interval."
    notes = [f"{named}; n is given where runs are missing. {best}"]
    if any(not benchmark.verified(method) for method in methods):
        notes.append(
            "(log): read from a log.txt; settings, split and views are not verified; in no test."
        )
    return notes


def missing_runs(benchmark: Benchmark, classes: str = "all") -> list[str]:
    """Sentences naming the runs (or their tasks) that a full table would have."""
    sentences = []
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
                sentences.append(
                    f"{method}, {shots_name(shots)}{kind}: no whole result for "
                    f"{'seed' if len(gone) == 1 else 'seeds'} {listed(list(map(str, gone)))}"
                )
    return sentences


def _record(
    benchmark: Benchmark,
    method: str,
    shots: int | None,
    task: str,
    found: Summary | None,
) -> dict[str, Any]:
    source = "results.json" if benchmark.verified(method) else "log.txt"
    low = high = None
    if found and found.half_width is not None:
        low, high = found.mean - found.half_width, found.mean + found.half_width
    tested = None
    if shots is not AVERAGE or is_zero_shot(method):
        name = task if task in benchmark.tasks else None
        tested = benchmark.interval_of_single_run(method, shots or NO_SHOTS, name)
    return {
        "group": benchmark.group,
        "benchmark": benchmark.name,
        "source": source,
        "method": method,
        "classes": "all",
        "shots": "average" if shots is None else shots,
        "task": task,
        "n": found.n if found else 0,
        "mean": found and found.mean,
        "std": found and found.std,
        "ci95_low": low,
        "ci95_high": high,
        "test_ci95_low": tested and tested[0],
        "test_ci95_high": tested and tested[1],
    }


def _published_records(benchmark: Benchmark, columns: Sequence[int | None]) -> list[dict[str, Any]]:
    return [
        {
            "group": benchmark.group,
            "benchmark": benchmark.name,
            "source": "published, other weights" if row.other_weights else "published",
            "method": row.name,
            "classes": "all",
            "shots": "average" if column is None else column,
            "task": "mean over tasks",
            "n": 3,
            "mean": row.cells[column][0],
            "std": row.cells[column][1],
            "ci95_low": None,
            "ci95_high": None,
            "test_ci95_low": None,
            "test_ci95_high": None,
        }
        for row in benchmark.published
        for column in columns
        if column in row.cells
    ]


def task_tables(benchmark: Benchmark) -> list[Table]:
    """Per number of shots: tasks x methods."""
    if len(benchmark.tasks) < 2 or not benchmark.methods():
        return []
    return [_task_table(benchmark, shots) for shots in benchmark.shots() or [NO_SHOTS]]


def _task_table(benchmark: Benchmark, shots: int) -> Table:
    methods = benchmark.methods()
    rows, records = [], []
    for task in [*benchmark.tasks, None]:
        found = [summary(benchmark.values(method, shots, task).values()) for method in methods]
        means = [whole_mean(benchmark, value, method) for method, value in zip(methods, found)]
        [best] = mark_best([means])
        cells = []
        for index, (method, value) in enumerate(zip(methods, found)):
            text = mean_cell(value, benchmark.expected_seeds(method)).text
            cells.append(Cell(text, index in best))
            if task is not None:
                records.append(_record(benchmark, method, shots, task, value))
        rows.append(Row([Cell(task or "mean over tasks"), *cells], rule=task is None))
    what = shots_name(shots) if shots != NO_SHOTS else "zero-shot"
    return Table(
        "accuracy",
        f"tasks-{slug(shots)}",
        f"{benchmark.name}, {what}: every task, %, mean ± population std over seeds",
        ["task", *methods],
        rows,
        accuracy_notes(benchmark, methods),
        records,
        folded=True,
    )
