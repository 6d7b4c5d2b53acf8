"""A study's jobs: every task alone, every pair in each reading, and groups of tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product
from typing import Any

from softcpt import plugins
from softcpt.engine import config
from softcpt.errors import UserError
from softcpt.grid.jobs import Planned, plan_job, refuse_shared_folders
from softcpt.grid.spec import Entry
from softcpt.selection import obstacle
from softcpt.study.spec import Study

ALONE = "alone"
GROUP = "group"


@dataclass(frozen=True)
class Run:
    """A job, and what it is in the study.

    Attributes:
        method, seed: of the study.
        part: "alone", "group", or a reading.
        tasks: places in the study's list; of a source's reading (source, target).
        planned: the job.
    """

    method: str
    seed: int
    part: str
    tasks: tuple[int, ...]
    planned: Planned


class Plan:
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

    def __init__(self, study: Study, pairs: Sequence[str] = ()):
        plugins.load("trainers")
        self.study, self.grid, self.pairs = study, study.grid(), list(pairs)
        from dassl.data.datasets import build_dataset

        self.zero_shot = plan_job(
            self.grid,
            pairs,
            Entry("ZeroshotCLIP"),
            Entry("all", study.data),
            study.backbone,
            study.shots,
            study.seeds[0],
        ).cfg
        dataset = build_dataset(self.zero_shot)
        count = len(getattr(dataset, "tasks", ()))
        self.numbers = study.tasks or tuple(range(count))
        if count < 2 or max(self.numbers) >= count:
            raise UserError(
                f"study: {study.data} has {count} task(s); name a data set of several, and tasks "
                "by numbers "
                f"from 0 to {count - 1}"
            )
        self.names = tuple(dataset.tasks.names[number] for number in self.numbers)
        self.validates = not obstacle(dataset.val, dataset.test)

    def of_pairs(self) -> list[Run]:
        """Every task alone, and every pair in each reading."""
        runs = [
            run
            for entry in self.study.methods
            for seed in self.study.seeds
            for run in self._pairs_of(entry, seed)
        ]
        refuse_shared_folders([run.planned for run in runs])
        for run in {run.method: run for run in runs}.values():
            if _options(run.planned).get("per_task"):
                raise UserError(
                    f"study: {run.method} trains a prompt for each task by itself, so tasks cannot "
                    "help each "
                    f"other; use {run.method}-MT, one prompt for all"
                )
        return runs

    def _pairs_of(self, entry: Entry, seed: int) -> Iterator[Run]:
        places = range(len(self.names))
        alone = [self._run(entry, seed, ALONE, (task,)) for task in places]
        yield from alone
        if "joint" in self.study.readings:
            yield from (self._run(entry, seed, "joint", pair) for pair in combinations(places, 2))
        # A task's training from its own prompt tells what training twice brings without another
        # task.
        for reading, pairs in (
            ("source", product(places, repeat=2)),
            ("zero-shot", permutations(places, 2)),
        ):
            if reading in self.study.readings:
                yield from (
                    self._run(entry, seed, reading, pair, alone[pair[0]].planned) for pair in pairs
                )

    def of_groups(self, method: str, groups: Sequence[Sequence[int]]) -> list[Run]:
        """Joint trainings of ``groups`` of two tasks or more."""
        entry = next(entry for entry in self.study.methods if entry.name == method)
        return [
            self._run(entry, seed, GROUP, tuple(group))
            for seed in self.study.seeds
            for group in groups
            if len(group) > 1
        ]

    def _run(
        self,
        entry: Entry,
        seed: int,
        part: str,
        tasks: tuple[int, ...],
        start: Planned | None = None,
    ) -> Run:
        """``start``: the run on the first of ``tasks`` alone, whose prompt this run on the second
        starts from."""
        trained = tasks[1:] if start else tasks
        numbers = [self.numbers[task] for task in trained]
        name = (
            "+".join(slug(self.names[task]) for task in trained)
            if len(trained) < 3
            else slug(f"tasks {numbers}")
        )
        chosen = ",".join(f"task{number}" for number in numbers)
        data = Entry(
            name,
            self.study.data,
            set={
                "DATASET.SUBSAMPLE_TASKS": chosen,
                "TEST.SPLIT": "val,test" if self.validates else "test",
            },
        )
        folder = f"{part}-{slug(self.names[tasks[0]])}" if start else part
        planned = plan_job(
            self.grid,
            self.pairs,
            entry,
            data,
            self.study.backbone,
            self.study.shots,
            seed,
            folder,
            start=start,
            test=part == "zero-shot",
        )
        return Run(entry.name, seed, part, tasks, planned)


def _options(planned: Planned) -> Mapping[str, Any]:
    """Options of the job's prompter, if its trainer is of one method."""
    from dassl.engine import TRAINER_REGISTRY

    method = getattr(TRAINER_REGISTRY.get(planned.method.trainer), "method", "")
    return config.method_options(planned.cfg, method) if method else {}


def slug(name: str) -> str:
    """A task's name in folders."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
