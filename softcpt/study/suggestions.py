"""Which groups of tasks a study trains, by its pairs and by its gradients, and what these
reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from softcpt.study.findings import BY_GRADIENTS, Findings
from softcpt.study.gradient_section import IMAGES
from softcpt.study.group_section import Grouping
from softcpt.study.matrix import Floats, Matrix, scores_of
from softcpt.study.study_file import Study
from softcpt.study.study_jobs import StudyJob, StudyPlan
from softcpt.study.task_groups import suggest

_BY_PAIRS = "the gains of pairs on validation images"
_BY_PAIRS_ON_TEST = (
    "the gains of pairs on the test images themselves, which flatters them: there are no "
    "validation images apart from them"
)


@dataclass(frozen=True)
class Suggestion:
    """Groups of tasks that are to be trained.

    Attributes:
        method: that trains them.
        groups: places of tasks.
        alone: (S, T) metrics in % of each task by itself.
        chosen: by what on which images, in words.
    """

    method: str
    groups: list[list[int]]
    alone: Floats
    chosen: str


def suggested_groups(
    plan: StudyPlan, findings: Findings, chosen_by: Sequence[Matrix]
) -> dict[str, Suggestion]:
    """Of each method what its first pairs and its gradients suggest, by the names of the report's
    sections; affinities on validation images come before those on training images."""
    found: dict[str, Suggestion] = {}
    by_pairs = _BY_PAIRS if plan.validates else _BY_PAIRS_ON_TEST
    for matrix, shown in zip(chosen_by, findings.matrices):
        one = Suggestion(matrix.method, suggest(matrix.gains), shown.alone, by_pairs)
        found.setdefault(matrix.method, one)
    for table in findings.affinities:
        chosen = f"affinities on {IMAGES[table.images]}"
        one = Suggestion(table.method, suggest(table.gains), table.alone, chosen)
        found.setdefault(f"{table.method}{BY_GRADIENTS}", one)
    return found


def grouping_of(study: Study, suggested: Suggestion, jobs: Sequence[StudyJob]) -> Grouping:
    """What training the suggested groups and all tasks together reached, from its ``jobs``."""
    alone = suggested.alone
    together, grouped = alone.copy(), alone.copy()
    for job in jobs:
        seed = study.seeds.index(job.seed)
        for task, value in scores_of(job).items():
            if len(job.tasks) == alone.shape[1]:
                together[seed, task] = value
            if list(job.tasks) in suggested.groups:
                grouped[seed, task] = value
    return Grouping(suggested.groups, together, grouped, alone, suggested.chosen)
