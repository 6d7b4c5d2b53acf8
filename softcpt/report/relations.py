"""Measures how alike the contexts of a method's tasks are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softcpt.report.benchmark import Benchmark, Place
from softcpt.report.run_result import Contexts


@dataclass(frozen=True)
class Relations:
    """Similarity (T, T) between tasks, in [-1, 1], of one method at one number of shots, mean over
    ``runs`` runs.

    Tasks are ordered so that alike ones are neighbours (average linkage).
    """

    method: str
    shots: int
    runs: int
    tasks: tuple[str, ...]
    similarity: NDArray[np.float64]


def relations(benchmark: Benchmark) -> list[Relations]:
    """Of every method whose runs have their contexts, at its highest number of shots with them."""
    found = []
    for method in dict.fromkeys(place.method for place in benchmark.places()):
        runs = _contexts(benchmark, method)
        if not runs:
            continue
        shots = max(place.shots for place in runs)
        same = [contexts for place, contexts in runs.items() if place.shots == shots]
        same = [contexts for contexts in same if contexts.tasks == same[0].tasks]
        mean = np.mean([similarity(contexts) for contexts in same], axis=0)
        order = alike_together(mean)
        tasks = tuple(same[0].tasks[index] for index in order)
        found.append(Relations(method, shots, len(same), tasks, mean[np.ix_(order, order)]))
    return found


def _contexts(benchmark: Benchmark, method: str) -> dict[Place, Contexts]:
    """Of the method's training runs on more than two tasks."""
    found = {}
    for place in benchmark.places():
        if place.method != method or place.classes == "new":
            continue
        for run in benchmark.runs[place]:
            if run.contexts and len(run.contexts.tasks) > 2:
                found[place] = run.contexts
    return found


def similarity(contexts: Contexts) -> NDArray[np.float64]:
    """Cosine (T, T) between contexts less their mean over tasks: what all tasks share says nothing
    about relations."""
    gram = np.asarray(contexts.gram, dtype=np.float64)
    centred = gram - gram.mean(0) - gram.mean(1)[:, None] + gram.mean()
    length = np.sqrt(np.maximum(np.diag(centred), 0.0))
    # A task at the mean is like none.
    scale = np.where(length > 1e-9 * max(length.max(), 1e-30), length, np.inf)
    cosine: NDArray[np.float64] = np.clip(centred / scale / scale[:, None], -1.0, 1.0)
    np.fill_diagonal(cosine, 1.0)
    return cosine


def alike_together(cosine: NDArray[np.float64]) -> list[int]:
    """An order of the tasks in which alike ones are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = squareform((1.0 - (cosine + cosine.T) / 2).round(12), checks=False)
    return [
        int(index) for index in leaves_list(linkage(distance, "average", optimal_ordering=True))
    ]
