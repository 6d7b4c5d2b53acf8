"""Plans a grid file's jobs: each is a command of train.py with a folder of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Any

from softcpt import plugins
from softcpt.engine import run_flags, run_folder
from softcpt.engine.config_files import dataset_config, trainer_config
from softcpt.errors import UserError
from softcpt.grid.grid_file import Grid, GridEntry
from softcpt.grid.methods import Method, find_method

TRAIN, TEST = "train_base", "test_new"  # CoCoOp's folders
CLASSES = "DATASET.SUBSAMPLE_CLASSES"


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        folder: its output, absolute.
        flags: of train.py.
        method, data, backbone, part: names, as the grid has them; part is "", or "train_base" or
            "test_new".
        shots, seed: of the run.
        needs: folder of the job that must be done before; "": none.
    """

    folder: str
    flags: tuple[str, ...]
    method: str
    data: str
    backbone: str
    part: str
    shots: int
    seed: int
    needs: str = ""

    def __str__(self) -> str:
        shots = "1 shot" if self.shots == 1 else f"{self.shots} shots"
        names = filter(None, (self.method, self.data, self.backbone, self.part))
        return " ".join([*names, shots, f"seed {self.seed}"])


@dataclass(frozen=True)
class PlannedJob:
    """A job with what its settings come to: the whole configuration, and its method."""

    job: Job
    cfg: Any
    method: Method

    @property
    def trains_by_steps(self) -> bool:
        """Whether settings of training alone make a difference to it."""
        return self.method.learns and self.method.by_steps


@dataclass(frozen=True)
class GridPoint:
    """One point of the product that a grid is; ``shots`` None, ``backbone`` "": the
    configuration's."""

    method: GridEntry
    data: GridEntry
    backbone: str
    shots: int | None
    seed: int


def plan_jobs(grid: Grid, pairs: Sequence[str] = ()) -> list[PlannedJob]:
    """All jobs of ``grid``, with ``KEY VALUE`` pairs of the command line as their last word.

    Raises:
        UserError: a method, data set or configuration is not there, a setting is wrong, there is no
            job, or two jobs would write into one folder.
    """
    plugins.load("trainers")
    planned: list[PlannedJob] = []
    for point in _points(grid):
        planned += _jobs_of(grid, pairs, point)
    if not planned:
        raise UserError("grid: no methods; name some, as in --methods ZeroshotCLIP CoOp SoftCPT")
    refuse_shared_folders(planned)
    return planned


def refuse_shared_folders(planned: Sequence[PlannedJob]) -> None:
    """Every job must have a folder of its own.

    Raises:
        UserError: two have the same.
    """
    owners: dict[str, Job] = {}
    for one in planned:
        other = owners.setdefault(one.job.folder, one.job)
        if other is not one.job:
            raise UserError(
                f"grid: '{other}' and '{one.job}' would both write into {one.job.folder}; put what "
                "tells them apart into the layout ({data}, {method}, {config}, {backbone}, "
                "{shots}, {seed})"
            )


def _points(grid: Grid) -> Iterator[GridPoint]:
    """In the order in which they run: shots grow, so that the times of the first predict those of
    the others."""
    seeds = [*grid.seeds, *(seed for method in grid.methods for seed in method.seeds)]
    if any(seed < 0 for seed in seeds):
        raise UserError(
            f"grid: seed {min(seeds)} would be another each time; give seeds of 0 or more"
        )
    all_shots = set(grid.shots)
    for method in grid.methods:
        all_shots.update(method.shots)
    ordered: list[int | None] = [*sorted(all_shots)] or [None]
    for data, backbone, shots, method in product(
        grid.data, grid.backbones or ("",), ordered, grid.methods
    ):
        if shots in (method.shots or grid.shots or (None,)):
            for seed in method.seeds or grid.seeds:
                yield GridPoint(method, data, backbone, shots, seed)


def _jobs_of(grid: Grid, pairs: Sequence[str], point: GridPoint) -> Iterator[PlannedJob]:
    """The one job of a point, or with ``base_to_new`` the two."""
    if not grid.base_to_new:
        yield plan_job(grid, pairs, point)
        return
    trained = plan_job(grid, pairs, point, TRAIN, [CLASSES, "base"])
    yield trained
    yield plan_job(grid, pairs, point, TEST, [CLASSES, "new"], trained, test=True)


def plan_job(
    grid: Grid,
    pairs: Sequence[str],
    point: GridPoint,
    part: str = "",
    own: Sequence[str] = (),
    start: PlannedJob | None = None,
    test: bool = False,
) -> PlannedJob:
    """One job: a method on data.

    Args:
        grid: gives the configuration, settings of all jobs, and the folders.
        pairs: ``KEY VALUE`` pairs of the command line, which win over the grid's settings.
        point: method, data, backbone, shots and seed.
        part: a name that tells the job from others that have all else in common.
        own: ``KEY VALUE`` pairs that do so.
        start: the job whose prompt it starts from, or tests.
        test: it trains nothing.
    """
    method = find_method(point.method.of or point.method.name)
    wanted = point.method.config or grid.config
    file = trainer_config(wanted.replace("{backbone}", _slug(point.backbone)), method.trainer)
    flags = _flags(grid, point, method, file)
    if test:
        flags.append("--eval-only")
    if start is not None and method.learns:
        flags += ["--model-dir", start.job.folder]
    given = [*_pairs({**point.data.set, **grid.set, **method.set, **point.method.set}), *pairs]
    if point.shots is not None:
        given += ["DATASET.NUM_SHOTS", str(point.shots)]
    given += own
    cfg = run_flags.setup_config(run_flags.parser().parse_args([*flags, *given]))
    in_config = not point.backbone or "{backbone}" in wanted
    names = {
        "method": point.method.name,
        "trainer": method.trainer,
        "data": point.data.name,
        "config": file.stem if in_config else f"{file.stem}-{_slug(point.backbone)}",
        "seed": point.seed,
        "part": part,
        "backbone": _slug(point.backbone),
        "mark": run_folder.settings_mark(list(zip(pairs[::2], pairs[1::2]))),
        "dataset": point.data.name if point.data.images else cfg.DATASET.NAME,
        "shots": cfg.DATASET.NUM_SHOTS,
    }
    folder = _folder(grid, names)
    job = Job(
        folder,
        (*flags, "--output-dir", folder, *given),
        method=point.method.name,
        data=point.data.name,
        backbone=point.backbone,
        part=part,
        shots=cfg.DATASET.NUM_SHOTS,
        seed=point.seed,
        needs=start.job.folder if start else "",
    )
    return PlannedJob(job, cfg, method)


def _flags(grid: Grid, point: GridPoint, method: Method, file: Path) -> list[str]:
    """train.py's flags, as far as the point decides them."""
    flags = ["--trainer", method.trainer, "--config-file", str(file)]
    if point.data.images:
        flags += ["--images", *point.data.images]
        if point.data.task_names:
            flags += ["--task-names", *point.data.task_names]
    else:
        flags += ["--dataset-config-file", str(dataset_config(point.data.of or point.data.name))]
        flags += ["--root", grid.root] if grid.root else []
    flags += ["--seed", str(point.seed), *point.method.flags]
    if point.backbone:
        flags += ["--backbone", point.backbone]
    return flags


def _folder(grid: Grid, names: Mapping[str, Any]) -> str:
    safe = {key: str(value).replace("/", "-") for key, value in names.items()}
    layout = grid.folder_layout()
    try:
        parts = [part for _, *part in Formatter().parse(layout) if part[0] is not None]
        wrong = [name for name, spec, conversion in parts if name not in safe or spec or conversion]
    except ValueError:
        wrong = [layout]
    if wrong:
        there = ", ".join(f"{{{name}}}" for name in names)
        raise UserError(f"layout {layout}: '{wrong[0]}' is no part of it; there are {there}")
    below = Path(layout.format(**safe))
    if below.is_absolute() or ".." in below.parts or not below.parts:
        raise UserError(
            f"layout {layout}: {below} is not below the grid's output folder; give a path such as "
            "{data}/{trainer}/{config}/seed{seed}"
        )
    return str(Path(grid.output).expanduser().absolute() / below)


def _slug(backbone: str) -> str:
    """The backbone as configuration files are called: "ViT-B/16" -> "vit_b16"."""
    return re.sub(r"[^a-z0-9]+", "_", backbone.lower().replace("/", "", 1)).strip("_")


def _pairs(settings: Mapping[str, Any]) -> list[str]:
    """Settings as train.py's KEY VALUE pairs."""
    words: list[str] = []
    for key, value in settings.items():
        words += [key, value if isinstance(value, str) else repr(value)]
    return words
