"""Makes base-to-new tables of a benchmark (protocol of Zhou et al., CoCoOp, arXiv 2203.05557)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from softcpt.report.accuracy_tables import accuracy_notes, whole_mean
from softcpt.report.benchmark import NO_SHOTS, Benchmark, shots_name, slug
from softcpt.report.statistics import Summary, harmonic_mean, summary
from softcpt.report.table import MISSING, Cell, Row, Table, mark_best, mean_cell

# Base, new, and the harmonic mean of their means; None where runs are missing.
BaseNew = tuple[Summary | None, Summary | None, float | None]


def base_new_tables(benchmark: Benchmark) -> list[Table]:
    """Base classes, new classes and their harmonic mean H: averages, then every task."""
    if not {"base", "new"} <= set(benchmark.classes()):
        return []
    tables = []
    for shots in base_new_shots(benchmark):
        tables.append(_base_new_average(benchmark, shots))
        if len(benchmark.tasks) > 1:
            tables.append(_base_new_tasks(benchmark, shots))
    return tables


def base_new_shots(benchmark: Benchmark) -> list[int]:
    """Numbers of shots that both kinds of classes have; NO_SHOTS where there is zero-shot alone."""
    return [shots for shots in benchmark.shots("base") if shots in benchmark.shots("new")] or [
        NO_SHOTS
    ]


def base_new(benchmark: Benchmark, method: str, shots: int, task: str | None = None) -> BaseNew:
    """Base, new, and H of their means over seeds (for the average: of the means over tasks, as the
    papers do)."""
    base, new = (
        summary(benchmark.values(method, shots, task, classes).values())
        for classes in ("base", "new")
    )
    return base, new, harmonic_mean(base.mean, new.mean) if base and new else None


def _base_new_methods(benchmark: Benchmark) -> list[str]:
    found = {*benchmark.methods("base"), *benchmark.methods("new")}
    return [method for method in benchmark.methods(None) if method in found]


def _base_new_average(benchmark: Benchmark, shots: int) -> Table:
    methods = _base_new_methods(benchmark)
    found = [base_new(benchmark, method, shots) for method in methods]
    best = _best(benchmark, methods, found)
    rows, records = [], []
    for index, (method, (base, new, h)) in enumerate(zip(methods, found)):
        texts = [
            mean_cell(base, benchmark.expected_seeds(method, "base")).text,
            mean_cell(new, benchmark.expected_seeds(method, "new")).text,
            MISSING if h is None else f"{h:.2f}",
        ]
        cells = [Cell(text, index in best[column]) for column, text in enumerate(texts)]
        rows.append(Row([Cell(method), *cells]))
    for task in [None, *benchmark.tasks]:
        records += [_base_new_record(benchmark, method, shots, task) for method in methods]
    over = f"mean over {len(benchmark.tasks)} tasks, %"
    title = f"{benchmark.name}, {shots_name(shots)}: base and new classes, {over}"
    return Table(
        "base-new",
        f"base-new-{slug(shots)}",
        title,
        ["method", "Base", "New", "H"],
        rows,
        [*accuracy_notes(benchmark, methods, "base"), "H is the harmonic mean of the two means."],
        records,
    )


def _best(benchmark: Benchmark, methods: list[str], found: Sequence[BaseNew]) -> list[set[int]]:
    """Rows with the highest base, new and H, of those that have every seed."""
    columns: list[list[float | None]] = [[], [], []]
    for method, (base, new, h) in zip(methods, found):
        means = [whole_mean(benchmark, base, method, "base")]
        means.append(whole_mean(benchmark, new, method, "new"))
        means.append(None if None in means else h)
        for column, value in zip(columns, means):
            column.append(value)
    return mark_best(columns)


def _base_new_record(
    benchmark: Benchmark, method: str, shots: int, task: str | None
) -> dict[str, Any]:
    base, new, h = base_new(benchmark, method, shots, task)
    return {
        "group": benchmark.group,
        "benchmark": benchmark.name,
        "method": method,
        "shots": shots,
        "task": task or "mean over tasks",
        "base": base and base.mean,
        "base_std": base and base.std,
        "base_n": base.n if base else 0,
        "new": new and new.mean,
        "new_std": new and new.std,
        "new_n": new.n if new else 0,
        "h": h,
    }


def _three(found: BaseNew) -> str:
    base, new, h = found
    values = (base and base.mean, new and new.mean, h)
    return " / ".join(MISSING if value is None else f"{value:.2f}" for value in values)


def _base_new_tasks(benchmark: Benchmark, shots: int) -> Table:
    methods = _base_new_methods(benchmark)
    rows = []
    for task in benchmark.tasks:
        found = [base_new(benchmark, method, shots, task) for method in methods]
        best = _best(benchmark, methods, found)[2]
        cells = [Cell(_three(each), index in best) for index, each in enumerate(found)]
        rows.append(Row([Cell(task), *cells]))
    title = f"{benchmark.name}, {shots_name(shots)}: base / new / H of every task, %"
    return Table(
        "base-new",
        f"base-new-tasks-{slug(shots)}",
        title,
        ["task", *methods],
        rows,
        ["Bold: highest H."],
        folded=True,
    )
