"""Compares methods with each other on the same tasks, split, seeds and views."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np

from softcpt.report.benchmark import Benchmark, is_zero_shot
from softcpt.report.statistics import Paired, average_ranks, holm, paired_tests

Unit = tuple[int, int, str]  # shots, seed, task


@dataclass(frozen=True)
class Comparison:
    """``a`` against ``b``.

    Attributes:
        units: over tasks x seeds (x shots).
        tasks: over tasks, each the mean of its units: few independent units, hence the cautious
            test.
        t_test, wilcoxon, wilcoxon_tasks: p-values, corrected by Holm over all comparisons of the
            table.
    """

    a: str
    b: str
    units: Paired
    tasks: Paired
    t_test: float | None = None
    wilcoxon: float | None = None
    wilcoxon_tasks: float | None = None


@dataclass(frozen=True)
class Contest:
    """All pairs of a benchmark's methods at one number of shots (None: all of them together).

    Attributes:
        ranks: average rank by method, the best first, over the ``ranked`` units that all methods
            have.
        friedman: p-value of "all ranks are equal".
    """

    classes: str
    shots: int | None
    comparisons: list[Comparison]
    ranks: dict[str, float]
    ranked: int
    friedman: float | None


def contests(benchmark: Benchmark) -> list[Contest]:
    """At all numbers of shots together, then at each, for every kind of classes."""
    found = []
    for classes in benchmark.classes():
        shots: list[int | None] = list(benchmark.shots(classes))
        if len(shots) > 1:
            shots.insert(0, None)
        found += [contest(benchmark, each, classes) for each in shots]
    return [each for each in found if each]


def contest(benchmark: Benchmark, shots: int | None = None, classes: str = "all") -> Contest | None:
    """Compare all methods whose runs are verified; None with fewer than two of them."""
    settings = benchmark.shots(classes) if shots is None else [shots]
    values = {
        method: _units(benchmark, method, settings, classes)
        for method in benchmark.methods(classes)
        if benchmark.verified(method)
    }
    values = {method: units for method, units in values.items() if units}
    if len(values) < 2:
        return None
    ranks, ranked, friedman = _ranks(values)
    order = sorted(values, key=lambda method: ranks.get(method, 0.0))
    return Contest(
        classes,
        shots,
        _compare(order, values),
        {method: ranks[method] for method in order if method in ranks},
        ranked,
        friedman,
    )


def _units(
    benchmark: Benchmark, method: str, settings: list[int], classes: str
) -> dict[Unit, float]:
    """Zero-shot stands at every number of shots; a seed it was not run with has the figure of the
    others if it is one."""
    found: dict[Unit, float] = {}
    for shots in settings:
        for task in benchmark.tasks:
            values = benchmark.values(method, shots, task, classes)
            if is_zero_shot(method) and len(set(values.values())) == 1:
                values = dict.fromkeys(benchmark.seeds(classes), next(iter(values.values())))
            found |= {(shots, seed, task): value for seed, value in values.items()}
    return found


def _compare(order: Sequence[str], values: Mapping[str, Mapping[Unit, float]]) -> list[Comparison]:
    """All pairs of methods that have units in common; p-values are corrected over all of them."""
    differences = {(a, b): _differences(values[a], values[b]) for a, b in combinations(order, 2)}
    differences = {pair: by_task for pair, by_task in differences.items() if by_task}
    units = paired_tests([list(chain(*by_task.values())) for by_task in differences.values()])
    tasks = paired_tests([_task_means(by_task) for by_task in differences.values()])
    t_tests = holm([found.t_test for found in units])
    wilcoxons = holm([found.wilcoxon for found in units])
    wilcoxons_tasks = holm([found.wilcoxon for found in tasks])
    return [
        Comparison(a, b, *found)
        for (a, b), *found in zip(differences, units, tasks, t_tests, wilcoxons, wilcoxons_tasks)
    ]


def _differences(of_a: Mapping[Unit, float], of_b: Mapping[Unit, float]) -> dict[str, list[float]]:
    """Task -> a - b on each of its units that both methods have."""
    by_task: dict[str, list[float]] = defaultdict(list)
    for unit, value in of_a.items():
        if unit in of_b:
            by_task[unit[2]].append(value - of_b[unit])
    return by_task


def _task_means(by_task: Mapping[str, Sequence[float]]) -> list[float]:
    return [float(np.mean(differences)) for differences in by_task.values()]


def _ranks(
    values: Mapping[str, Mapping[Unit, float]],
) -> tuple[dict[str, float], int, float | None]:
    common = sorted(set.intersection(*(set(units) for units in values.values())))
    if not common:
        return {}, 0, None
    ranks, friedman = average_ranks(
        np.array([[units[unit] for units in values.values()] for unit in common])
    )
    return dict(zip(values, map(float, ranks))), len(common), friedman
