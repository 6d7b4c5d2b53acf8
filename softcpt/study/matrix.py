"""What pairs of tasks reached, as matrices of targets by sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from softcpt.grid.state import read_result
from softcpt.study.plan import ALONE, Run

Score = Callable[[Run], dict[int, float]]


@dataclass(frozen=True)
class Matrix:
    """A method's pairs in one reading; metrics in %.

    Attributes:
        method, reading: of the runs.
        alone: (S, T) of every task trained by itself, for S seeds.
        paired: (S, T, T): [s, i, j] is target j's, with source i. The diagonal is what a task
            reached alone, or with the reading "source" when it was trained again from its own
            prompt.
    """

    method: str
    reading: str
    alone: np.ndarray
    paired: np.ndarray

    @property
    def by_seed(self) -> np.ndarray:
        """(S, T, T): what target j gained by source i, in points, with each seed."""
        return self.paired - self.alone[:, None, :]

    @property
    def gains(self) -> np.ndarray:
        """(T, T): the same, mean over seeds."""
        return self.by_seed.mean(axis=0)

    @property
    def off_diagonal(self) -> np.ndarray:
        """(T (T - 1),) gains of the pairs, in the matrix's order."""
        return self.gains[~np.eye(len(self.gains), dtype=bool)]

    @property
    def of_sources(self) -> np.ndarray:
        """(T,) mean gain that each source brought to the others."""
        return (self.gains.sum(axis=1) - np.diag(self.gains)) / (len(self.gains) - 1)

    @property
    def mutual_likeness(self) -> np.ndarray:
        """(T, T) mean gains of both directions, scaled into [-1, 1], with 1 on the diagonal; to
        order tasks by."""
        mutual = (self.gains + self.gains.T) / 2
        scaled = mutual / max(np.abs(mutual).max(), 1e-9)
        np.fill_diagonal(scaled, 1.0)
        return scaled


def matrices(runs: Sequence[Run], count: int, split: str = "") -> list[Matrix]:
    """A matrix for every method and reading of finished runs.

    Args:
        runs: of the pairs, with those on single tasks.
        count: T, tasks of the study.
        split: "val" for the metric on validation images; "": on those that count.
    """
    scores = [(run, scores_of(run, split)) for run in runs]
    keys = dict.fromkeys((run.method, run.part) for run, _ in scores if run.part != ALONE)
    return [_matrix(method, reading, count, scores) for method, reading in keys]


def _matrix(
    method: str, reading: str, count: int, scores: Iterable[tuple[Run, dict[int, float]]]
) -> Matrix:
    seeds = list(dict.fromkeys(run.seed for run, _ in scores))
    alone, paired = (
        np.full((len(seeds), count), np.nan),
        np.full((len(seeds), count, count), np.nan),
    )
    for run, score in scores:
        if run.method != method or run.part not in (ALONE, reading):
            continue
        seed = seeds.index(run.seed)
        for task, value in score.items():
            if run.part == ALONE:
                alone[seed, task] = value
            else:
                paired[seed, next((other for other in run.tasks if other != task), task), task] = (
                    value
                )
    itself = np.eye(count, dtype=bool)
    return Matrix(
        method, reading, alone, np.where(itself & np.isnan(paired), alone[:, None], paired)
    )


def scores_of(run: Run, split: str = "") -> dict[int, float]:
    """Metric in % of each task that a finished run was tested on, by its place in the study."""
    result = read_result(run.planned.job.folder)
    assert result is not None, f"{run.planned.job} is not done"
    figures = result["other_splits"][split] if split else result
    tested = run.tasks if run.part in ("joint", ALONE, "group") else run.tasks[1:]
    return {
        task: figure["metric"]
        for task, figure in zip(tested, figures["tasks"][result["method"]], strict=True)
    }
