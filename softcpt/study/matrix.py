"""Collects what pairs of tasks reached, as matrices of sources by targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softcpt.grid.state import read_result
from softcpt.study.study_file import GRADIENTS, PAIR_READINGS
from softcpt.study.study_jobs import ALONE, GROUP, StudyJob

Floats = NDArray[np.float64]


class PairTable:
    """A number for every source and target, with each of S seeds."""

    @property
    def by_seed(self) -> Floats:
        """(S, T, T): [s, i, j] is what target j has of source i."""
        raise NotImplementedError(f"{type(self).__name__}: it has numbers of pairs")

    @property
    def gains(self) -> Floats:
        """(T, T): the same, mean over seeds."""
        gains: Floats = self.by_seed.mean(axis=0)
        return gains

    @property
    def off_diagonal(self) -> Floats:
        """(T (T - 1),) those of the pairs, in the table's order."""
        return self.gains[~np.eye(len(self.gains), dtype=bool)]

    @property
    def of_sources(self) -> Floats:
        """(T,) mean that each source brought to the others."""
        others: Floats = self.gains.sum(axis=1) - np.diag(self.gains)
        return others / (len(self.gains) - 1)

    @property
    def mutual_likeness(self) -> Floats:
        """(T, T) means of both directions, scaled into [-1, 1], with 1 on the diagonal; to order
        tasks by."""
        mutual = (self.gains + self.gains.T) / 2
        scaled: Floats = mutual / max(float(np.abs(mutual).max()), 1e-9)
        np.fill_diagonal(scaled, 1.0)
        return scaled


@dataclass(frozen=True)
class Matrix(PairTable):
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
    alone: Floats
    paired: Floats

    @property
    def by_seed(self) -> Floats:
        """(S, T, T): what target j gained by source i, in points, with each seed."""
        return self.paired - self.alone[:, None, :]


def matrices(jobs: Sequence[StudyJob], count: int, split: str = "") -> list[Matrix]:
    """A matrix for every method and reading of finished jobs.

    Args:
        jobs: of the pairs, with those on single tasks.
        count: T, tasks of the study.
        split: "val" for the metric on validation images; "": on those that count.
    """
    scores = [(job, scores_of(job, split)) for job in jobs]
    keys = dict.fromkeys((job.method, job.part) for job in jobs if job.part in PAIR_READINGS)
    return [_matrix(method, reading, count, scores) for method, reading in keys]


def alone_scores(jobs: Sequence[StudyJob], method: str, count: int) -> Floats:
    """(S, T) metrics in % of every task trained by itself; no numbers where none was."""
    seeds = list(dict.fromkeys(job.seed for job in jobs))
    alone = np.full((len(seeds), count), np.nan)
    for job in jobs:
        if job.method == method and job.part == ALONE:
            alone[seeds.index(job.seed), job.tasks[0]] = scores_of(job)[job.tasks[0]]
    return alone


def _matrix(
    method: str, reading: str, count: int, scores: Sequence[tuple[StudyJob, dict[int, float]]]
) -> Matrix:
    seeds = list(dict.fromkeys(job.seed for job, _ in scores))
    alone = np.full((len(seeds), count), np.nan)
    paired = np.full((len(seeds), count, count), np.nan)
    for job, score in scores:
        if job.method != method or job.part not in (ALONE, reading):
            continue
        seed = seeds.index(job.seed)
        for task, value in score.items():
            if job.part == ALONE:
                alone[seed, task] = value
            else:
                paired[seed, _other(job.tasks, task), task] = value
    diagonal = np.eye(count, dtype=bool)
    missing = diagonal & np.isnan(paired)
    return Matrix(method, reading, alone, np.where(missing, alone[:, None], paired))


def _other(pair: Sequence[int], task: int) -> int:
    """The task that ``task`` was trained with or after; itself, if it was trained twice."""
    return next((other for other in pair if other != task), task)


def scores_of(job: StudyJob, split: str = "") -> dict[int, float]:
    """Metric in % of each task that a finished job was tested on, by its place in the study."""
    result = read_result(job.planned.job.folder)
    assert result is not None, f"{job.planned.job} is not done"
    figures = result["other_splits"][split] if split else result
    tested = job.tasks if job.part in ("joint", ALONE, GRADIENTS, GROUP) else job.tasks[1:]
    by_task = figures["tasks"][result["method"]]
    return {task: float(figure["metric"]) for task, figure in zip(tested, by_task, strict=True)}
