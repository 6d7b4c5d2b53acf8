"""Holds method x shots x seed x task of one group, from which tables and plots are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from softcpt.intervals import Interval, wilson_of_mean
from softcpt.report.published import PublishedRow, paper_order, published_rows
from softcpt.report.run_result import ZERO_SHOT, Cost, Result, TestedTask

NO_SHOTS = 0  # the place of zero-shot on the axis of shots
ALL_IMAGES = -1


class Place(NamedTuple):
    """Of one run in the tables; ``shots`` is NO_SHOTS for zero-shot."""

    classes: str
    method: str
    shots: int
    seed: int


@dataclass
class Benchmark:
    """Results that stand in the same tables; do not change one after it was asked for something.

    Attributes:
        name: the data set's, or "5 data sets" where each of several has one task.
        group: number of the group of settings, from 1.
        backbone: name.
        tasks: names, in the data's order.
        figures: place -> task -> percent; a task without a figure is not there.
        means: place -> percent, for logs that tell the mean over tasks only.
        runs: place -> the results that its figures were read from.
        details: place -> task -> figure -> percent, all that its files say.
        tested: place -> task -> its test images, where its file says them.
        warnings: what was left out or looks wrong.
    """

    name: str
    group: int
    backbone: str
    tasks: tuple[str, ...]
    figures: dict[Place, dict[str, float]] = field(default_factory=dict)
    means: dict[Place, float] = field(default_factory=dict)
    runs: dict[Place, list[Result]] = field(default_factory=dict)
    details: dict[Place, dict[str, Mapping[str, float]]] = field(default_factory=dict)
    tested: dict[Place, dict[str, TestedTask]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def _seeds(self) -> dict[tuple[str, str, int], list[int]]:
        index: dict[tuple[str, str, int], list[int]] = {}
        for place in sorted(self.runs):
            index.setdefault(place[:3], []).append(place.seed)
        return index

    def classes(self) -> list[str]:
        """Which of all, base and new there are."""
        found = {place.classes for place in self.runs}
        return [name for name in ("all", "base", "new") if name in found]

    def methods(self, classes: str | None = "all") -> list[str]:
        """Names in the paper's order, those read from logs behind the others; of all classes for
        None."""
        found = {method for kind, method, _ in self._seeds if classes in (None, kind)}
        return sorted(found, key=lambda method: (not self.verified(method), paper_order(method)))

    def shots(self, classes: str = "all") -> list[int]:
        """Shot settings, all training images last."""
        found = {shots for kind, _, shots in self._seeds if kind == classes} - {NO_SHOTS}
        return sorted(found, key=lambda shots: (shots == ALL_IMAGES, shots))

    def seeds(self, classes: str = "all") -> list[int]:
        """Seeds of trained runs; the results.json files say which, or the logs where there are no
        others."""
        places = [place for place in self.runs if place.classes == classes]
        trained = [place for place in places if place.shots != NO_SHOTS]
        verified = [place for place in trained if self.verified(place.method)]
        return sorted({place.seed for place in verified or trained or places})

    def expected_seeds(self, method: str, classes: str = "all") -> int:
        """How many seeds a whole figure is over; zero-shot needs none."""
        return 0 if is_zero_shot(method) else len(self.seeds(classes))

    def values(
        self, method: str, shots: int, task: str | None = None, classes: str = "all"
    ) -> dict[int, float]:
        """Seed -> percent of ``task``, or of the mean over tasks; seeds without a figure are not
        there."""
        shots = NO_SHOTS if is_zero_shot(method) else shots
        found = {}
        for seed in self._seeds.get((classes, method, shots), ()):
            place = Place(classes, method, shots, seed)
            value = self.mean(place) if task is None else self.figures[place].get(task)
            if value is not None:
                found[seed] = value
        return found

    def mean(self, place: Place) -> float | None:
        """Over tasks; None when a task is missing: a mean over fewer tasks cannot be compared."""
        if place in self.means:
            return self.means[place]
        figures = self.figures[place]
        return sum(figures.values()) / len(self.tasks) if len(figures) == len(self.tasks) else None

    def cost(self, place: Place) -> Cost | None:
        """Of the place's run; where a benchmark is several data sets, of all together. None: a part
        is not known."""
        costs = [run.cost for run in self.runs[place] if run.cost]
        parts = 1 if len({run.dataset for run in self.runs[place]}) == 1 else len(self.tasks)
        if len(costs) < parts:
            return None
        parameters = [cost.parameters for cost in costs if cost.parameters is not None]
        memory = [cost.memory for cost in costs if cost.memory is not None]
        sections = dict.fromkeys(name for cost in costs for name in cost.seconds)
        return Cost(
            sum(parameters) if len(parameters) == len(costs) else None,
            {name: sum(cost.seconds.get(name, 0.0) for cost in costs) for name in sections},
            max(memory) if memory else None,
        )

    def test_interval(self, place: Place, task: str | None = None) -> Interval | None:
        """95 % interval over the run's test images, of ``task`` or the mean over tasks, in percent
        (softcpt/intervals.py).

        None: the images are not known, or the figure is not a share of images that are right.
        """
        counts = []
        for name in self.tasks if task is None else (task,):
            tested = self.tested.get(place, {}).get(name)
            figure = self.figures[place].get(name)
            if tested is None or figure is None:
                return None
            if abs(figure - 100 * tested.correct / tested.total) > 1e-6:
                return None
            counts.append((tested.correct, tested.total))
        return wilson_of_mean(counts)

    def interval_of_single_run(
        self, method: str, shots: int, task: str | None = None, classes: str = "all"
    ) -> Interval | None:
        """The same of the only run there is, or of zero-shot, which is the same in all."""
        zero_shot = is_zero_shot(method)
        key = (classes, method, NO_SHOTS if zero_shot else shots)
        seeds = self._seeds.get(key, [])
        if not seeds or (len(seeds) > 1 and not zero_shot):
            return None
        return self.test_interval(Place(*key, seeds[0]), task)

    @cached_property
    def published(self) -> list[PublishedRow]:
        """The papers' rows for this data, of the same backbone or of its architecture."""
        named = (run.architecture for runs in self.runs.values() for run in runs)
        architecture = next(filter(None, named), "")
        return published_rows(self.name, self.backbone, architecture)

    @cached_property
    def _unverified(self) -> set[str]:
        return {
            place.method
            for place, runs in self.runs.items()
            if not all(run.verified for run in runs)
        }

    def verified(self, method: str) -> bool:
        """Whether the method's runs were read from results.json."""
        return method not in self._unverified

    def places(self) -> Iterator[Place]:
        """All runs, in the order of the tables."""
        order = {method: index for index, method in enumerate(self.methods(None))}
        return iter(sorted(self.runs, key=lambda p: (p.classes, order[p.method], p.shots, p.seed)))


def is_zero_shot(method: str) -> bool:
    """Whether a method of the tables trains nothing."""
    return method.startswith(ZERO_SHOT)


def shots_name(shots: int) -> str:
    """For column heads."""
    return "all images" if shots == ALL_IMAGES else f"{shots}-shot"


def slug(shots: int) -> str:
    """For file names."""
    return shots_name(shots).replace(" ", "-")
