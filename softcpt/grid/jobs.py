"""The grid file's jobs: each is a command of train.py with a folder of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from softcpt import plugins
from softcpt.cli import train
from softcpt.errors import UserError
from softcpt.grid.methods import Method, config_file, data_file, find_method
from softcpt.grid.spec import Entry, Grid

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
        words = [
            self.method,
            self.data,
            self.backbone,
            self.part,
            f"{self.shots} shot{'s' * (self.shots != 1)}",
        ]
        return " ".join([*filter(None, words), f"seed {self.seed}"])


@dataclass(frozen=True)
class Planned:
    """A job with what its settings come to: the whole configuration, and its method."""

    job: Job
    cfg: Any
    method: Method


def plan_jobs(grid: Grid, pairs: Sequence[str] = ()) -> list[Planned]:
    """All jobs of ``grid``, with ``KEY VALUE`` pairs of the command line as their last word.

    Raises:
        UserError: a method, data set or configuration is not there, a setting is wrong, there is no
            job, or two jobs would write into one folder.
    """
    plugins.load("trainers")
    planned = [
        plan for combination in _combinations(grid) for plan in _plan(grid, pairs, *combination)
    ]
    if not planned:
        raise UserError("grid: no methods; name some, as in --methods ZeroshotCLIP CoOp SoftCPT")
    refuse_shared_folders(planned)
    return planned


def refuse_shared_folders(planned: Sequence[Planned]) -> None:
    """Every job must have a folder of its own.

    Raises:
        UserError: two have the same.
    """
    owners: dict[str, Job] = {}
    for plan in planned:
        other = owners.setdefault(plan.job.folder, plan.job)
        if other is not plan.job:
            raise UserError(
                f"grid: '{other}' and '{plan.job}' would both write into {plan.job.folder}; put "
                "what tells "
                "them apart into the layout ({data}, {method}, {config}, {backbone}, {shots}, "
                "{seed})"
            )


def _combinations(grid: Grid) -> Iterator[tuple[Entry, Entry, str, int | None, int]]:
    """(method, data, backbone, shots, seed); shots grow, so that the times of the first tell about
    the others."""
    shots = sorted({*grid.shots, *(k for method in grid.methods for k in method.shots)}) or [None]
    for data, backbone, k, method in product(
        grid.data, grid.backbones or ("",), shots, grid.methods
    ):
        if k in (method.shots or grid.shots or (None,)):
            for seed in method.seeds or grid.seeds:
                yield method, data, backbone, k, seed


def _plan(
    grid: Grid,
    pairs: Sequence[str],
    entry: Entry,
    data: Entry,
    backbone: str,
    shots: int | None,
    seed: int,
) -> Iterator[Planned]:
    """The one job of a combination, or with ``base_to_new`` the two."""
    if not grid.base_to_new:
        yield plan_job(grid, pairs, entry, data, backbone, shots, seed)
        return
    trained = plan_job(grid, pairs, entry, data, backbone, shots, seed, TRAIN, [CLASSES, "base"])
    yield trained
    yield plan_job(
        grid, pairs, entry, data, backbone, shots, seed, TEST, [CLASSES, "new"], trained, test=True
    )


def plan_job(
    grid: Grid,
    pairs: Sequence[str],
    entry: Entry,
    data: Entry,
    backbone: str,
    shots: int | None,
    seed: int,
    part: str = "",
    own: Sequence[str] = (),
    start: Planned | None = None,
    test: bool = False,
) -> Planned:
    """One job: a method on data.

    Args:
        pairs: ``KEY VALUE`` pairs of the command line, which win over the grid's settings.
        part, own: what tells the job from others that have all else in common: a name, and ``KEY
            VALUE`` pairs.
        start: the job whose prompt it starts from, or tests.
        test: it trains nothing.
    """
    method = find_method(entry.of or entry.name)
    wanted = entry.config or grid.config
    file = config_file(wanted.format(backbone=_slug(backbone)), method.trainer)
    flags = [
        "--trainer",
        method.trainer,
        "--config-file",
        str(file),
        "--dataset-config-file",
        str(data_file(data.of or data.name)),
        "--seed",
        str(seed),
        *entry.flags,
    ]
    flags += (
        ["--root", grid.root] * bool(grid.root)
        + ["--backbone", backbone] * bool(backbone)
        + ["--eval-only"] * test
    )
    flags += ["--model-dir", start.job.folder] if start and method.learns else []
    settings = {**data.set, **grid.set, **method.set, **entry.set}
    given = [
        *_pairs(settings),
        *pairs,
        *(["DATASET.NUM_SHOTS", str(shots)] if shots is not None else []),
        *own,
    ]
    cfg = train.setup_config(train.parser().parse_args([*flags, *given]))
    label = file.stem + (f"-{_slug(backbone)}" if backbone and "{backbone}" not in wanted else "")
    folder = _folder(
        grid,
        {
            "method": entry.name,
            "trainer": method.trainer,
            "data": data.name,
            "config": label,
            "seed": seed,
            "part": part,
            "backbone": _slug(backbone),
            "mark": train.settings_mark(list(zip(pairs[::2], pairs[1::2]))),
            "dataset": cfg.DATASET.NAME,
            "shots": cfg.DATASET.NUM_SHOTS,
        },
    )
    job = Job(
        folder,
        (*flags, "--output-dir", folder, *given),
        entry.name,
        data.name,
        backbone,
        part,
        cfg.DATASET.NUM_SHOTS,
        seed,
        start.job.folder if start else "",
    )
    return Planned(job, cfg, method)


def _folder(grid: Grid, names: Mapping[str, Any]) -> str:
    try:
        below = grid.folder_layout().format(
            **{key: str(value).replace("/", "-") for key, value in names.items()}
        )
    except (KeyError, IndexError, ValueError) as error:
        raise UserError(
            f"layout {grid.folder_layout()}: {error} is no part of it; there are "
            + ", ".join(f"{{{name}}}" for name in names)
        ) from error
    return str(Path(grid.output).expanduser().absolute() / below)


def _slug(backbone: str) -> str:
    """ "ViT-B/16" -> "vit_b16", as configuration files are called."""
    return re.sub(r"[^a-z0-9]+", "_", backbone.lower().replace("/", "", 1)).strip("_")


def _pairs(settings: Mapping[str, Any]) -> list[str]:
    """Settings as train.py's KEY VALUE pairs."""
    return [
        word
        for key, value in settings.items()
        for word in (key, value if isinstance(value, str) else repr(value))
    ]
