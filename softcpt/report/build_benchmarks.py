"""Makes the benchmarks of a group of results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain

from softcpt.report.benchmark import ALL_IMAGES, NO_SHOTS, Benchmark, Place
from softcpt.report.groups import Group, split_by_images
from softcpt.report.run_result import Result
from softcpt.report.variants import labels


def benchmarks(group: Group, number: int, metric: str = "metric") -> list[Benchmark]:
    """One benchmark per data set of ``group``; several data sets with one task each are one
    benchmark together.

    Args:
        group: results under the same settings.
        number: of the group, from 1.
        metric: which figure of every task (run_result.METRICS).
    """
    found = []
    for part, datasets in enumerate(_parts(group)):
        single = [results for results in datasets if len(_tasks(results)) == 1]
        tables = [
            (results[0].dataset, results, _tasks(results))
            for results in datasets
            if len(single) == 1 or results not in single
        ]
        if len(single) > 1:
            datasets_of = tuple(sorted({results[0].dataset for results in single}))
            all_results = list(chain.from_iterable(single))
            tables.append((f"{len(datasets_of)} data sets", all_results, datasets_of))
        names = [name for name, _, _ in tables]
        for name, results, tasks in tables:
            unique = name if names.count(name) == 1 else f"{name}, {len(tasks)} tasks"
            benchmark = Benchmark(unique, number, results[0].backbone, tasks)
            if part:
                benchmark.warnings.append(
                    "these runs saw other images than those of the tables before"
                )
            found.append(_fill(benchmark, results, metric))
    return found


def _parts(group: Group) -> list[list[list[Result]]]:
    """Results that saw the same images, each part by data set and tasks; results of logs with the
    first that fits."""
    # Before tests of what they trained.
    trained_first = sorted(group.results, key=lambda result: result.cost is None)
    parts: list[dict[tuple[str, ...], list[Result]]] = []
    for results in split_by_images(trained_first):
        parts.append({})
        for result in results:
            parts[-1].setdefault((result.dataset, *sorted(result.tasks)), []).append(result)
    for result in group.unverified:
        beside = next(
            (mine for part in parts for (name, *_), mine in part.items() if name == result.dataset),
            None,
        )
        if beside is None:
            parts = parts or [{}]
            beside = parts[0].setdefault((result.dataset,), [])
        beside.append(result)
    return [list(part.values()) for part in parts]


def _tasks(results: Sequence[Result]) -> tuple[str, ...]:
    """Task names of a data set; its own name where it is one task."""
    names = max(
        (tuple(result.tasks) for result in results if result.verified == results[0].verified),
        key=len,
    )
    return names if len(names) > 1 else (results[0].dataset,)


def _fill(benchmark: Benchmark, results: Sequence[Result], metric: str) -> Benchmark:
    for result, label in zip(results, labels(results)):
        place = Place(result.classes, label, _shots(result), result.seed)
        by_task = _by_task(benchmark, result)
        figures = _figures(benchmark, result, by_task, metric)
        mean = (
            result.overall.get("metric")
            if metric == "metric" and len(benchmark.tasks) > 1
            else None
        )
        if mean is not None and not math.isnan(mean):
            benchmark.means.setdefault(place, mean)
        _put(benchmark, place, result, figures, by_task)
    return benchmark


def _shots(result: Result) -> int:
    if result.zero_shot:
        return NO_SHOTS
    return result.shots if result.shots > 0 else ALL_IMAGES


def _by_task(benchmark: Benchmark, result: Result) -> dict[str, Mapping[str, float]]:
    """Task of the benchmark -> the result's figures of it."""
    if len(result.tasks) < 2:
        only = next(iter(result.tasks.values()), result.overall)
        return {result.dataset: only} if result.dataset in benchmark.tasks else {}
    if result.verified or set(result.tasks) <= set(benchmark.tasks):
        return dict(result.tasks)
    if len(result.tasks) == len(benchmark.tasks):
        # other people's names of the same tasks, in the same order
        return dict(zip(benchmark.tasks, result.tasks.values()))
    return {}


def _figures(
    benchmark: Benchmark, result: Result, by_task: Mapping[str, Mapping[str, float]], metric: str
) -> dict[str, float]:
    """Task -> percent; what is not a number is left out, with a warning."""
    figures = {task: found.get(metric, math.nan) for task, found in by_task.items()}
    missing = [task for task, value in figures.items() if not math.isfinite(value)]
    if missing:
        benchmark.warnings.append(
            f"{result.path}: {result.method} has no figure for {', '.join(missing)}; missing, "
            "and so is its mean over tasks"
        )
    return {task: value for task, value in figures.items() if math.isfinite(value)}


def _put(
    benchmark: Benchmark,
    place: Place,
    result: Result,
    figures: dict[str, float],
    by_task: Mapping[str, Mapping[str, float]],
) -> None:
    """Enter a result, unless its place is taken; of two that disagree a warning says so."""
    mine = benchmark.figures.setdefault(place, {})
    runs = benchmark.runs.setdefault(place, [])
    before = next((run for run in runs if run.dataset == result.dataset), None)
    if before is None:
        mine.update(figures)
        runs.append(result)
        benchmark.details.setdefault(place, {}).update(by_task)
        tested = benchmark.tested.setdefault(place, {})
        for task, own_name in zip(by_task, result.tasks):
            if own_name in result.tested:
                tested[task] = result.tested[own_name]
    elif any(abs(mine[task] - value) > 1e-6 for task, value in figures.items() if task in mine):
        why = (
            "the same model on the same images must agree; check weights and test images"
            if result.zero_shot
            else "give only one of them, or say which settings differ"
        )
        benchmark.warnings.append(
            f"{place.method}, seed {place.seed}: {result.path} is left out, {before.path} stands "
            f"there with other figures; {why}"
        )
