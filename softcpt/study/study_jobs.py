"""Plans a study's jobs: every task alone, every pair in each reading, all tasks for their
gradients, and groups of tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product
from typing import Any

from softcpt import plugins
from softcpt.engine import config
from softcpt.errors import UserError
from softcpt.grid.grid_file import GridEntry
from softcpt.grid.jobs import GridPoint, PlannedJob, plan_job, refuse_shared_folders
from softcpt.selection import obstacle
from softcpt.study.study_file import GRADIENTS, Study

ALONE = "alone"
GROUP = "group"
LOOKAHEAD = 5  # gradients are measured at every fifth step; TAG takes every tenth of longer runs


@dataclass(frozen=True)
class StudyJob:
    """A job, and what it is in the study.

    Attributes:
        method, seed: of the study.
        part: "alone", "group", or a reading ("gradients": all tasks, see
            softcpt/engine/lookahead.py).
        tasks: places in the study's list; of a source's reading (source, target).
        planned: the job.
    """

    method: str
    seed: int
    part: str
    tasks: tuple[int, ...]
    planned: PlannedJob


class StudyPlan:
    """Makes a study's runs.

    Attributes:
        names: of the study's tasks.
        validates: whether the data has validation images, none of them a test image, on which
            groups can be chosen.
        zero_shot: the configuration of zero-shot CLIP on all tasks of the data.

    Raises:
        UserError: the data cannot be read, has fewer than two tasks, or not those that the study
            names; or a method trains each task for itself.
    """

    def __init__(self, study: Study, pairs: Sequence[str] = ()) -> None:
        plugins.load("trainers")
        self.study, self.grid, self.pairs = study, study.grid(), list(pairs)
        from dassl.data.datasets import build_dataset

        zero_shot = self._point(
            GridEntry("ZeroshotCLIP"), GridEntry("all", study.data), study.seeds[0]
        )
        self.zero_shot = plan_job(self.grid, pairs, zero_shot).cfg
        dataset = build_dataset(self.zero_shot)
        count = len(getattr(dataset, "tasks", ()))
        self.numbers = study.tasks or tuple(range(count))
        if count < 2 or max(self.numbers) >= count:
            raise UserError(
                f"study: {study.data} has {count} task(s); name a data set of several, and tasks "
                f"by numbers from 0 to {count - 1}"
            )
        self.names = tuple(dataset.tasks.names[number] for number in self.numbers)
        self.validates = not obstacle(dataset.val, dataset.test)

    def of_pairs(self) -> list[StudyJob]:
        """Every task alone, and every pair in each reading; of gradients a run on all tasks."""
        jobs: list[StudyJob] = []
        for entry in self.study.methods:
            for seed in self.study.seeds:
                jobs += self._pairs_of(entry, seed)
        refuse_shared_folders([job.planned for job in jobs])
        for method, job in {job.method: job for job in jobs}.items():
            if _options(job.planned).get("per_task"):
                raise UserError(
                    f"study: {method} trains a prompt for each task by itself, so tasks cannot "
                    f"help each other; use {method}-MT, one prompt for all"
                )
        return jobs

    def _pairs_of(self, entry: GridEntry, seed: int) -> Iterator[StudyJob]:
        places = range(len(self.names))
        alone = [self._job(entry, seed, ALONE, (task,)) for task in places]
        # Groups that gradients suggest are compared with every task alone.
        if self.study.groups or set(self.study.readings) != {GRADIENTS}:
            yield from alone
        if GRADIENTS in self.study.readings:
            yield self._job(entry, seed, GRADIENTS, tuple(places))
        if "joint" in self.study.readings:
            for first, second in combinations(places, 2):
                yield self._job(entry, seed, "joint", (first, second))
        if "source" in self.study.readings:
            # A task's training from its own prompt shows what training twice brings without
            # another task.
            for source, target in product(places, repeat=2):
                yield self._job(entry, seed, "source", (source, target), alone[source].planned)
        if "zero-shot" in self.study.readings:
            for source, target in permutations(places, 2):
                yield self._job(entry, seed, "zero-shot", (source, target), alone[source].planned)

    def of_groups(self, method: str, groups: Sequence[Sequence[int]]) -> list[StudyJob]:
        """Joint trainings of ``groups`` of two tasks or more."""
        entry = next(entry for entry in self.study.methods if entry.name == method)
        several = [tuple(group) for group in groups if len(group) > 1]
        return [
            self._job(entry, seed, GROUP, group)
            for seed, group in product(self.study.seeds, several)
        ]

    def _job(
        self,
        entry: GridEntry,
        seed: int,
        part: str,
        tasks: tuple[int, ...],
        start: PlannedJob | None = None,
    ) -> StudyJob:
        """``start``: the job on the first of ``tasks`` alone, whose prompt this job on the second
        starts from."""
        trained = tasks[1:] if start else tasks
        numbers = [self.numbers[task] for task in trained]
        name = slug(f"tasks {numbers}")
        if len(trained) < 3:
            name = "+".join(slug(self.names[task]) for task in trained)
        settings: dict[str, Any] = {
            "DATASET.SUBSAMPLE_TASKS": ",".join(f"task{number}" for number in numbers),
            "TEST.SPLIT": "val,test" if self.validates else "test",
        }
        if part == GRADIENTS:
            settings["TRAIN.LOOKAHEAD"] = LOOKAHEAD
        point = self._point(entry, GridEntry(name, self.study.data, set=settings), seed)
        folder = f"{part}-{slug(self.names[tasks[0]])}" if start else part
        planned = plan_job(
            self.grid, self.pairs, point, folder, start=start, test=part == "zero-shot"
        )
        return StudyJob(entry.name, seed, part, tasks, planned)

    def _point(self, method: GridEntry, data: GridEntry, seed: int) -> GridPoint:
        return GridPoint(method, data, self.study.backbone, self.study.shots, seed)


def _options(planned: PlannedJob) -> Mapping[str, Any]:
    """Options of the job's prompter, if its trainer is of one method."""
    from dassl.engine import TRAINER_REGISTRY

    method = getattr(TRAINER_REGISTRY.get(planned.method.trainer), "method", "")
    return config.method_options(planned.cfg, method) if method else {}


def slug(name: str) -> str:
    """A task's name in folders."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
