"""The report as one HTML page that needs no network: data as JSON, our own script and style, all
inline."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

from softcpt import __version__
from softcpt.report.accuracy_tables import few_shot
from softcpt.report.base_new_tables import base_new, base_new_shots
from softcpt.report.benchmark import NO_SHOTS, Benchmark, is_zero_shot, shots_name
from softcpt.report.comparison_tables import cost_records
from softcpt.report.comparisons import Comparison, Contest
from softcpt.report.published import published_remarks, published_rows, published_source
from softcpt.report.report import Report, Section, setting_text
from softcpt.report.statistics import Paired, Summary, summary
from softcpt.report.style import styles

_SCRIPTS = (
    "dom.js",
    "table.js",
    "chart.js",
    "accuracy.js",
    "contests.js",
    "cost.js",
    "runs.js",
    "main.js",
)


def page(report: Report) -> str:
    """The page's text."""
    script = "\n".join(_part(name) for name in _SCRIPTS)
    data = json.dumps(
        _rounded(page_data(report)), ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    fill = {"style": _part("page.css"), "script": script, "data": data.replace("<", "\\u003c")}
    # In one pass: what was put in is not looked at again, whatever names the data holds.
    return re.sub(r"/\*(style|script|data)\*/", lambda match: fill[match[1]], _part("page.html"))


def _part(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Floats to four decimals, and null for what is no number."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def page_data(report: Report) -> dict[str, Any]:
    """All that the page shows, in plain lists and dictionaries; read by page/main.js."""
    return {
        "version": __version__,
        "files": report.collection.files,
        "metric": report.metric,
        "ignored": list(report.ignored),
        "shared": {key: setting_text(value) for key, value in report.shared.items()},
        "groups": len(report.groups),
        "differing": {
            key: list(map(setting_text, values)) for key, values in report.differing.items()
        },
        "leftOut": [list(item) for item in report.collection.left_out],
        "publishedSource": published_source(),
        "publishedRemarks": published_remarks(),
        "benchmarks": [_benchmark(section) for section in report.sections],
    }


def _benchmark(section: Section) -> dict[str, Any]:
    benchmark = section.benchmark
    methods = benchmark.methods(None)
    look = styles(methods)
    return {
        "name": benchmark.name,
        "backbone": benchmark.backbone,
        "group": benchmark.group,
        "tasks": list(benchmark.tasks),
        "classes": benchmark.classes(),
        "methods": [
            {
                "name": method,
                "zeroShot": is_zero_shot(method),
                "verified": benchmark.verified(method),
                "colour": look[method][0],
                "marker": look[method][1],
            }
            for method in methods
        ],
        "kinds": {kind: _kind(benchmark, methods, kind) for kind in benchmark.classes()},
        "runs": _runs(benchmark, methods),
        "published": [
            {
                "name": row.name,
                "ours": [methods.index(name) for name in row.ours if name in methods],
                "shots": {
                    str(shots): list(cell) for shots, cell in row.cells.items() if shots is not None
                },
                "average": list(row.cells[None]),
            }
            for row in published_rows(benchmark.name, benchmark.backbone)
        ],
        "contests": [_contest(contest, methods) for contest in section.contests],
        "baseNew": _base_new(benchmark, methods),
        "cost": [
            [
                methods.index(record["method"]),
                record["shots"],
                record["classes"],
                record["seed"],
                record["parameters"],
                record["seconds"],
                record["seconds_image"],
                record["peak_memory_bytes"],
                record["mean"],
            ]
            for record in cost_records(benchmark)
        ],
        "relations": [
            {
                "method": methods.index(found.method),
                "shots": shots_name(found.shots),
                "runs": found.runs,
                "tasks": list(found.tasks),
                "similarity": found.similarity.round(3).tolist(),
            }
            for found in section.relations
        ],
        "ownSettings": next(
            (
                [list(table.head), *([cell.text for cell in row.cells] for row in table.rows)]
                for table in section.tables
                if table.kind == "settings"
            ),
            [],
        ),
        "notes": list(section.notes),
    }


def _kind(benchmark: Benchmark, methods: Sequence[str], kind: str) -> dict[str, Any]:
    """Figures of one kind of classes: cells[method][shots] is [the mean over tasks, task 0, task 1,
    ...]."""
    shots = benchmark.shots(kind)
    columns = {method: [NO_SHOTS] if is_zero_shot(method) else shots for method in methods}
    return {
        "shots": shots,
        "seeds": benchmark.seeds(kind),
        "cells": [
            [
                [
                    _summary(summary(list(benchmark.values(method, each, task, kind).values())))
                    for task in (None, *benchmark.tasks)
                ]
                for each in columns[method]
            ]
            for method in methods
        ],
        "average": [_summary(few_shot(benchmark, method, None, kind)) for method in methods],
    }


def _summary(found: Summary | None) -> list[Any] | None:
    return [found.mean, found.std, found.half_width, found.n] if found else None


def _runs(benchmark: Benchmark, methods: Sequence[str]) -> list[list[Any]]:
    """[method, shots, seed, classes, mean, figures by task, paths] of every run."""
    return [
        [
            methods.index(place.method),
            place.shots,
            place.seed,
            place.classes,
            benchmark.mean(place),
            [benchmark.figures[place].get(task) for task in benchmark.tasks],
            [run.path for run in benchmark.runs[place]],
        ]
        for place in benchmark.places()
    ]


def _contest(contest: Contest, methods: Sequence[str]) -> dict[str, Any]:
    return {
        "classes": contest.classes,
        "shots": contest.shots,
        "ranked": contest.ranked,
        "friedman": contest.friedman,
        "ranks": [[methods.index(method), rank] for method, rank in contest.ranks.items()],
        "pairs": [
            [
                methods.index(pair.a),
                methods.index(pair.b),
                *_paired(pair.units),
                *_corrected(pair),
                pair.tasks.n,
            ]
            for pair in contest.comparisons
        ],
    }


def _paired(found: Paired) -> list[Any]:
    return [found.n, found.mean, found.half_width, found.wins, found.ties, found.losses]


def _corrected(pair: Comparison) -> list[float | None]:
    return [pair.t_test, pair.wilcoxon, pair.wilcoxon_tasks]


def _base_new(benchmark: Benchmark, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Per number of shots: h[task][method], task 0 the mean over tasks."""
    if not {"base", "new"} <= set(benchmark.classes()):
        return []
    return [
        {
            "shots": shots,
            "h": [
                [base_new(benchmark, method, shots, task)[2] for method in methods]
                for task in (None, *benchmark.tasks)
            ],
        }
        for shots in base_new_shots(benchmark)
    ]
