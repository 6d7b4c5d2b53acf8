"""Writes a report as one HTML page that needs no network: data as JSON, script and style inline.

The script's modules, the style and the frame of the page are in static/.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from softcpt.report.accuracy_tables import few_shot
from softcpt.report.base_new_tables import base_new, base_new_shots
from softcpt.report.benchmark import NO_SHOTS, Benchmark, is_zero_shot, shots_name
from softcpt.report.class_figures import page_classes
from softcpt.report.comparison_tables import cost_records
from softcpt.report.comparisons import Comparison, Contest
from softcpt.report.method_styles import styles
from softcpt.report.more_figures import figure_heads, figures_rows
from softcpt.report.published import published_remarks, published_source
from softcpt.report.sections import Report, Section, setting_text
from softcpt.report.statistics import Summary, summary
from softcpt.version import __version__

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)


def html_page(report: Report) -> str:
    """The page's text."""
    # json.dumps leaves "<" alone, and "</script>" in a name would end the element.
    data = json.dumps(
        _rounded(page_data(report)), ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).replace("<", "\\u003c")
    fill = {"style": _static("page.css"), "script": page_script(), "data": data}
    # In one pass: what was put in is not looked at again, whatever names the data holds.
    return re.sub(r"/\*(style|script|data)\*/", lambda match: fill[match[1]], _static("page.html"))


def page_script() -> str:
    """All modules of the page's script as one, each behind those it imports.

    A page that is opened from disk cannot import modules from files beside it.
    """
    modules: dict[str, str] = {}
    _add_module("main.js", modules)
    return "\n".join(modules.values())


def _add_module(name: str, modules: dict[str, str]) -> None:
    text = _static(name)
    for imported in _IMPORT.findall(text):
        if imported not in modules:
            _add_module(imported, modules)
    modules[name] = re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE)


def _static(name: str) -> str:
    return (resources.files(__package__) / "static" / name).read_text(encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Floats to four decimals, and null for what is no number."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def page_data(report: Report) -> dict[str, Any]:
    """All that the page shows, in plain lists and dictionaries; read by static/data.js."""
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
    return {
        "name": benchmark.name,
        "backbone": benchmark.backbone,
        "group": benchmark.group,
        "tasks": list(benchmark.tasks),
        "classes": benchmark.classes(),
        "methods": _methods(benchmark, methods),
        "kinds": {kind: _kind(benchmark, methods, kind) for kind in benchmark.classes()},
        "runs": _records(_runs(benchmark, methods)),
        "published": _published(benchmark, methods),
        "contests": [_contest(contest, methods) for contest in section.contests],
        "baseNew": _base_new(benchmark, methods),
        "figures": _figures(benchmark, methods),
        "perClass": page_classes(benchmark, methods),
        "cost": _records(_cost(benchmark, methods)),
        "relations": _relations(section, methods),
        "ownSettings": _own_settings(section),
        "notes": list(section.notes),
    }


def _methods(benchmark: Benchmark, methods: Sequence[str]) -> list[dict[str, Any]]:
    look = styles(methods)
    return [
        {
            "name": method,
            "zeroShot": is_zero_shot(method),
            "verified": benchmark.verified(method),
            "colour": look[method][0],
            "marker": look[method][1],
        }
        for method in methods
    ]


def _kind(benchmark: Benchmark, methods: Sequence[str], kind: str) -> dict[str, Any]:
    """Of one kind of classes; cells[method][shots][0] is the mean over tasks, then come tasks."""
    shots = benchmark.shots(kind)
    cells = []
    for method in methods:
        columns = [NO_SHOTS] if is_zero_shot(method) else shots
        cells.append([_column(benchmark, method, each, kind) for each in columns])
    return {
        "shots": shots,
        "seeds": benchmark.seeds(kind),
        "cells": cells,
        "average": [_average(benchmark, method, kind) for method in methods],
    }


def _average(benchmark: Benchmark, method: str, kind: str) -> list[Any] | None:
    """Over all numbers of shots; zero-shot has no other column."""
    cell = _summary(few_shot(benchmark, method, None, kind))
    interval = None
    if is_zero_shot(method):
        interval = benchmark.interval_of_single_run(method, NO_SHOTS, None, kind)
    return cell + list(interval) if cell and interval else cell


def _column(benchmark: Benchmark, method: str, shots: int, kind: str) -> list[list[Any] | None]:
    """One method's cells at one number of shots: the mean over tasks, then every task."""
    found = []
    for task in (None, *benchmark.tasks):
        values = benchmark.values(method, shots, task, kind)
        cell = _summary(summary(values.values()))
        interval = benchmark.interval_of_single_run(method, shots, task, kind)
        found.append(cell + list(interval) if cell and interval else cell)
    return found


def _summary(found: Summary | None) -> list[Any] | None:
    return [found.mean, found.std, found.half_width, found.n] if found else None


def _records(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Keys once and rows, which takes a third of the room; read by static/data.js."""
    keys = list(records[0]) if records else []
    return {"keys": keys, "rows": [list(record.values()) for record in records]}


def _runs(benchmark: Benchmark, methods: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "method": methods.index(place.method),
            "shots": place.shots,
            "seed": place.seed,
            "classes": place.classes,
            "mean": benchmark.mean(place),
            "figures": [benchmark.figures[place].get(task) for task in benchmark.tasks],
            "paths": [run.path for run in benchmark.runs[place]],
        }
        for place in benchmark.places()
    ]


def _published(benchmark: Benchmark, methods: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for row in benchmark.published:
        cells = {shots: list(cell) for shots, cell in row.cells.items()}
        average = cells.pop(None)
        ours = [methods.index(name) for name in row.ours if name in methods]
        rows.append({"name": row.label, "ours": ours, "shots": cells, "average": average})
    return rows


def _contest(contest: Contest, methods: Sequence[str]) -> dict[str, Any]:
    return {
        "classes": contest.classes,
        "shots": contest.shots,
        "ranked": contest.ranked,
        "friedman": contest.friedman,
        "ranks": [[methods.index(method), rank] for method, rank in contest.ranks.items()],
        "pairs": _records([_pair(pair, methods) for pair in contest.comparisons]),
    }


def _pair(pair: Comparison, methods: Sequence[str]) -> dict[str, Any]:
    """``difference`` is a - b; p-values are corrected by Holm's method."""
    found = pair.units
    return {
        "a": methods.index(pair.a),
        "b": methods.index(pair.b),
        "n": found.n,
        "difference": found.mean,
        "half": found.half_width,
        "better": found.wins,
        "equal": found.ties,
        "worse": found.losses,
        "tTest": pair.t_test,
        "wilcoxon": pair.wilcoxon,
        "wilcoxonTasks": pair.wilcoxon_tasks,
        "tasks": pair.tasks.n,
    }


def _base_new(benchmark: Benchmark, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Per number of shots: h[task][method], task 0 the mean over tasks."""
    if not {"base", "new"} <= set(benchmark.classes()):
        return []
    found = []
    for shots in base_new_shots(benchmark):
        h = [
            [base_new(benchmark, method, shots, task)[2] for method in methods]
            for task in (None, *benchmark.tasks)
        ]
        found.append({"shots": shots, "h": h})
    return found


def _figures(benchmark: Benchmark, methods: Sequence[str]) -> dict[str, Any]:
    """The table of more figures; ``cells`` in the order of ``heads``."""
    rows = [
        {
            "method": methods.index(row.method),
            "where": row.where,
            "classes": row.classes,
            "cells": [_summary(found) for found in row.figures.values()],
        }
        for row in figures_rows(benchmark)
        if any(row.figures.values())
    ]
    return {"heads": figure_heads(benchmark), "rows": rows}


def _cost(benchmark: Benchmark, methods: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "method": methods.index(record["method"]),
            "shots": record["shots"],
            "classes": record["classes"],
            "parameters": record["parameters"],
            "seconds": record["seconds"],
            "secondsImage": record["seconds_image"],
            "bytes": record["peak_memory_bytes"],
            "mean": record["mean"],
        }
        for record in cost_records(benchmark)
    ]


def _relations(section: Section, methods: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "method": methods.index(found.method),
            "shots": shots_name(found.shots),
            "tasks": list(found.tasks),
            "similarity": found.similarity.round(3).tolist(),
        }
        for found in section.relations
    ]


def _own_settings(section: Section) -> list[list[str]]:
    """The table of methods' own settings, its head first; empty without one."""
    for table in section.tables:
        if table.kind == "settings":
            return [list(table.head), *([cell.text for cell in row.cells] for row in table.rows)]
    return []
