"""One method's figures in one run, whatever file they were read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ZERO_SHOT = "ZeroShot"  # also the beginning of its variants' names
# What a task can be measured by, as results.json names it; "metric" is the one the benchmark
# prescribes for the task.
METRICS = ("metric", "accuracy", "mean_per_class", "macro_f1")

# Further ones, which files of older versions lack; "mae" is of ordinal tasks alone, and in the unit
# of their classes.
MORE_FIGURES = ("top5", "chance", "ece", "mae")


@dataclass(frozen=True)
class TestedTask:
    """How many of a task's test images were right; by class where the file says it.

    ``confusion`` has (class, other class that it was taken for, images) of all that were wrong.
    """

    __test__ = False  # no test case, whatever its name says to pytest

    correct: int
    total: int
    class_names: tuple[str, ...] = ()
    images: tuple[int, ...] = ()
    correct_of_class: tuple[int, ...] = ()
    confusion: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class Cost:
    """What a run took: trainable parameters, seconds by section (with "total"), peak memory in
    bytes. None: unknown."""

    parameters: int | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    memory: int | None = None


@dataclass(frozen=True)
class Contexts:
    """Inner products (T, T) of the tasks' contexts, each flattened; see docs/report.md."""

    tasks: tuple[str, ...]
    gram: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Result:
    """What one method reached in one run.

    Attributes:
        path: of the file that says so.
        verified: read from results.json, which tells the settings; a log.txt tells only some.
        own: the run was of this method; else zero-shot figures beside another.
        method, dataset, backbone: names.
        classes: "all", "base" or "new".
        shots: per class; below 1: all training images.
        seed: -1 where the file does not say.
        settings: what must be equal for a comparison, without the axes of the tables.
        images: hashes of the training and test images, where the file has them.
        options: the method's own settings, by configuration key.
        tasks: task name -> figure name (METRICS, MORE_FIGURES) -> percent; empty if the file has
            figures over all tasks only.
        overall: figure name -> percent, of logs, where ``tasks`` may be empty.
        tested: task name -> its test images, of results.json.
        architecture: of the backbone, by OpenAI's name; "": another, or not known.
        cost: of training; None for a run that only tested.
    """

    path: str
    verified: bool
    own: bool
    method: str
    dataset: str
    backbone: str
    classes: str
    shots: int
    seed: int
    settings: Mapping[str, Any]
    options: Mapping[str, str]
    tasks: Mapping[str, Mapping[str, float]]
    overall: Mapping[str, float] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    tested: Mapping[str, TestedTask] = field(default_factory=dict)
    architecture: str = ""
    cost: Cost | None = None
    contexts: Contexts | None = None

    @property
    def zero_shot(self) -> bool:
        """Whether nothing was trained."""
        return self.method.startswith(ZERO_SHOT)
