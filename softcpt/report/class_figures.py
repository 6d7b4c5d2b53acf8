"""What happened to the test images of every class: how many were right, and what the others were
taken for."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from softcpt.report.benchmark import Benchmark, Place, is_zero_shot
from softcpt.report.more_figures import where_of
from softcpt.report.run_result import TestedTask

_DIGITS = string.digits + string.ascii_lowercase
# Confused pairs on the page, of all tasks together; tables/confusions.csv has all.
MOST_PAIRS = 30


@dataclass(frozen=True)
class ClassCounts:
    """Test images of one method at one number of shots, over its seeds.

    Attributes:
        classes, method, shots: as of :class:`softcpt.report.benchmark.Place`.
        seeds: how many runs are counted.
        tasks: of each task the counts; None where a file does not say them.
    """

    classes: str
    method: str
    shots: int
    seeds: int
    tasks: tuple[TestedTask | None, ...]


def class_counts(benchmark: Benchmark) -> list[ClassCounts]:
    """One per method and number of shots, where files say it of at least one task."""
    groups: dict[tuple[str, int, str], list[Place]] = {}
    for place in benchmark.places():
        groups.setdefault((place.classes, place.shots, place.method), []).append(place)
    found = []
    for (classes, shots, method), places in groups.items():
        # Zero-shot CLIP is one model, whatever the seeds of the runs that it was tested beside.
        counted = places[:1] if is_zero_shot(method) else places
        tasks = tuple(_over_seeds(benchmark, counted, task) for task in benchmark.tasks)
        if any(tasks):
            found.append(ClassCounts(classes, method, shots, len(counted), tasks))
    return found


def _over_seeds(benchmark: Benchmark, places: Sequence[Place], task: str) -> TestedTask | None:
    """The sums over ``places``; None if one does not say them, or of other classes."""
    runs = [benchmark.tested.get(place, {}).get(task) for place in places]
    known = [run for run in runs if run is not None and run.class_names and run.images]
    names = {run.class_names for run in known}
    if len(known) < len(runs) or len(names) != 1:
        return None
    pairs: Counter[tuple[int, int]] = Counter()
    for run in known:
        for truth, predicted, images in run.confusion:
            pairs[truth, predicted] += images
    return TestedTask(
        sum(run.correct for run in known),
        sum(run.total for run in known),
        known[0].class_names,
        tuple(map(sum, zip(*(run.images for run in known)))),
        tuple(map(sum, zip(*(run.correct_of_class for run in known)))),
        tuple((*pair, images) for pair, images in _by_images(pairs)),
    )


def _by_images(pairs: Counter[tuple[int, int]]) -> list[tuple[tuple[int, int], int]]:
    return sorted(pairs.items(), key=lambda item: (-item[1], item[0]))


def page_classes(benchmark: Benchmark, methods: Sequence[str]) -> dict[str, Any]:
    """The counts for the page; names and numbers of images, which runs have in common, once."""
    most = max(2, min(10, MOST_PAIRS // len(benchmark.tasks)))
    common: dict[str, list[Any]] = {"names": [], "images": []}
    rows = [
        {
            "method": methods.index(counts.method),
            "shots": counts.shots,
            "classes": counts.classes,
            "seeds": counts.seeds,
            "names": _place_of(common["names"], [one and one.class_names for one in counts.tasks]),
            "images": _place_of(
                common["images"], [_short(one.images if one else None) for one in counts.tasks]
            ),
            "correct": [_short(one.correct_of_class if one else None) for one in counts.tasks],
            "pairs": [one and list(chain(*one.confusion[:most])) for one in counts.tasks],
        }
        for counts in class_counts(benchmark)
    ]
    return {**common, "rows": rows}


def _short(counts: Sequence[int] | None) -> str | None:
    """Counts in base 36, as static/classes.js reads them: "a9a" of 10, 9, 10, and with commas where
    one is larger than 35. There are many: a page with them as numbers is half as large again."""
    if counts is None:
        return None
    return ("" if max(counts) < len(_DIGITS) else ",").join(map(_in_base_36, counts))


def _in_base_36(number: int) -> str:
    rest, digit = divmod(number, len(_DIGITS))
    return (_in_base_36(rest) if rest else "") + _DIGITS[digit]


def _place_of(known: list[Any], one: Any) -> int:
    """Where ``one`` stands in ``known``, to which it is added if it is new."""
    if one not in known:
        known.append(one)
    return known.index(one)


def class_records(benchmark: Benchmark) -> Iterator[dict[str, Any]]:
    """One per run, task and class that has test images."""
    for where, tested in _runs(benchmark):
        numbers = zip(tested.class_names, tested.images, tested.correct_of_class)
        for name, images, correct in numbers:
            if images:
                accuracy = 100 * correct / images
                counts = {"images": images, "correct": correct, "accuracy": accuracy}
                yield {**where, "class": name, **counts}


def confusion_records(benchmark: Benchmark) -> Iterator[dict[str, Any]]:
    """One per run, task and pair of classes of which one was taken for the other."""
    for where, tested in _runs(benchmark):
        for truth, predicted, images in tested.confusion if tested.class_names else ():
            names = {"class": tested.class_names[truth], "taken_for": tested.class_names[predicted]}
            yield {**where, **names, "images": images}


def _runs(benchmark: Benchmark) -> Iterator[tuple[dict[str, Any], TestedTask]]:
    """Of every run and task where it stands, and its test images."""
    for place, of_tasks in benchmark.tested.items():
        for task, tested in of_tasks.items():
            yield where_of(benchmark, place, task), tested
