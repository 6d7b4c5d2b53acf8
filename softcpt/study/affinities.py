"""Tables of what each task's gradient did to the others' losses, and how they agree with what
trained pairs gained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from softcpt.engine.lookahead import TRAIN, VAL
from softcpt.errors import UserError
from softcpt.grid.state import read_result
from softcpt.study.matrix import Floats, Matrix, PairTable, alone_scores
from softcpt.study.similarity import Correlation, correlation
from softcpt.study.study_file import GRADIENTS
from softcpt.study.study_jobs import StudyJob


@dataclass(frozen=True)
class Affinities(PairTable):
    """A method's affinities (softcpt/engine/lookahead.py).

    Attributes:
        method: of the runs.
        images: whose losses: "train" or "val".
        alone: (S, T) metrics in % of every task trained by itself; no numbers where none was.
        measured: (S, T, T) share in % of target j's loss that a step on source i takes away.
    """

    method: str
    images: str
    alone: Floats
    measured: Floats

    @property
    def by_seed(self) -> Floats:
        """(S, T, T): ``measured``."""
        return self.measured


def affinities(jobs: Sequence[StudyJob], count: int) -> list[Affinities]:
    """For every method of finished jobs that measured gradients, and images: validation images
    first, where there are some.

    Raises:
        UserError: a run measured nothing.
    """
    found = []
    for method in dict.fromkeys(job.method for job in jobs if job.part == GRADIENTS):
        runs = [_measured(job) for job in jobs if (job.method, job.part) == (method, GRADIENTS)]
        alone = alone_scores(jobs, method, count)
        for images in (VAL, TRAIN):
            if all(images in run for run in runs):
                tables = np.array([run[images] for run in runs], dtype=float)
                found.append(Affinities(method, images, alone, 100 * tables))
    return found


def _measured(job: StudyJob) -> dict[str, object]:
    result = read_result(job.planned.job.folder)
    assert result is not None, f"{job.planned.job} is not done"
    found: dict[str, object] | None = result.get("affinities")
    if found is None or any(None in row for row in found[TRAIN]):  # type: ignore[attr-defined]
        raise UserError(
            f"run {job.planned.job.folder}: it has not measured all pairs of tasks; give batches "
            "that hold images of all (DATALOADER.TRAIN_X.BATCH_SIZE), and leave TRAIN.LOOKAHEAD out"
        )
    return found


@dataclass(frozen=True)
class Agreement:
    """How affinities agree with what pairs gained.

    Attributes:
        reading: of the pairs.
        correlation: of the ranks, over pairs.
        between_seeds: the same between the gains of two seeds, mean over pairs of seeds: what no
            prediction can be expected to exceed by far; no number for one seed.
        same_partner: targets whose best source is the same in both tables.
        by_partner, by_any, by_best: mean over targets of the points gained by the source of highest
            affinity, by all sources, and by the one that turned out best.
    """

    reading: str
    correlation: Correlation
    between_seeds: float
    same_partner: int
    by_partner: float
    by_any: float
    by_best: float


def agreement(found: Affinities, pairs: Matrix) -> Agreement:
    """Of affinities with the gains of ``pairs``."""
    gains, own = pairs.gains, np.eye(len(pairs.gains), dtype=bool)
    partner = np.where(own, -np.inf, found.gains).argmax(axis=0)
    best = np.where(own, -np.inf, gains).argmax(axis=0)
    targets = np.arange(len(gains))
    return Agreement(
        pairs.reading,
        correlation(gains, found.gains),
        between_seeds(pairs),
        int((partner == best).sum()),
        float(gains[partner, targets].mean()),
        float(pairs.off_diagonal.mean()),
        float(gains[best, targets].mean()),
    )


def between_seeds(table: PairTable) -> float:
    """Mean rank correlation of two seeds' numbers of the pairs."""
    from scipy.stats import spearmanr

    off = ~np.eye(len(table.gains), dtype=bool)
    rows = [seed[off] for seed in table.by_seed]
    found = [spearmanr(one, other).statistic for one, other in combinations(rows, 2)]
    return float(np.mean(found)) if found else float("nan")


def groups_agree(one: Sequence[Sequence[int]], other: Sequence[Sequence[int]]) -> float:
    """The adjusted Rand index of two groupings of the same tasks: 1 the same, 0 as by chance."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(_labels(one), _labels(other)))


def _labels(groups: Sequence[Sequence[int]]) -> list[int]:
    """Of every task the number of its group."""
    found = {task: number for number, group in enumerate(groups) for task in group}
    return [found[task] for task in sorted(found)]
