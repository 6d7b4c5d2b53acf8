"""Reads the study file, which names tasks, methods, and the ways in which tasks are paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from softcpt.errors import UserError
from softcpt.grid.grid_file import (
    Grid,
    GridEntry,
    beside,
    file_beside,
    flat_settings,
    read_entries,
    read_tree,
)
from softcpt.utils.typed import read_by, read_mapping

PAIR_READINGS = ("joint", "source", "zero-shot")
GRADIENTS = "gradients"
READINGS = (*PAIR_READINGS, GRADIENTS)


@dataclass(frozen=True)
class Study:
    """What to run; the attributes are the study file's keys.

    Attributes:
        methods: each trains one prompt for all tasks it is given, as CoOp-MT, VPT and UPT do.
        data: a data set of several tasks.
        tasks: numbers of those of its tasks that are studied, from 0; empty: all.
        readings: how two tasks are paired. joint: one prompt is trained on both. source: the
            target's training starts from the prompt that was trained on the source. zero-shot: the
            source's prompt is tested on the target. gradients: no pair is trained; one run on all
            tasks measures what a step on one does to the losses of the others.
        groups: train the task groups that the pairs suggest, and all tasks together, too.
        config, backbone, shots, seeds, set, output, root, workers, slurm: as a grid's.
    """

    methods: tuple[GridEntry, ...] = read_by(read_entries, default=())
    data: str = "emoji44"
    tasks: tuple[int, ...] = ()
    readings: tuple[str, ...] = ("joint", "source")
    groups: bool = True
    config: str = "tiny"
    backbone: str = ""
    shots: int = 4
    seeds: tuple[int, ...] = (1,)
    set: Mapping[str, Any] = read_by(flat_settings, default_factory=dict)
    output: str = "output/transfer"
    root: str = ""
    workers: int = 0
    slurm: Mapping[str, Any] = read_by(flat_settings, default_factory=dict)

    def grid(self) -> Grid:
        """A grid with the same methods and settings; its layout has a place for how tasks are
        paired."""
        return Grid(
            methods=self.methods,
            config=self.config,
            seeds=self.seeds,
            set=self.set,
            output=self.output,
            root=self.root,
            workers=self.workers,
            slurm=self.slurm,
            layout="{method}/{part}/{data}/seed{seed}",
        )


def read_study(path: Path) -> Study:
    """Read a study file; configuration files in it are relative to it.

    Raises:
        UserError: the file is missing or not valid, it has an unknown key or a value of a wrong
            type, or names no method, fewer than two tasks, or a reading that there is not.
    """
    study = read_mapping(Study, read_tree(path, "study file"), f"study file {path}")
    study = replace(
        study,
        methods=beside(study.methods, path.parent),
        data=file_beside(study.data, path.parent),
        config=file_beside(study.config, path.parent),
    )
    if not study.methods:
        raise UserError(
            f"study file {path}: no methods; give some that train one prompt for all tasks, as "
            "methods: [CoOp-MT]"
        )
    check_readings(study.readings, f"study file {path}: readings")
    if len(set(study.tasks)) == 1 or len(set(study.tasks)) < len(study.tasks):
        raise UserError(
            f"study file {path}: pairs of tasks are studied; give two tasks or more, each once"
        )
    return study


def check_readings(readings: Sequence[str], place: str) -> None:
    """Refuse a reading that there is not, and none at all.

    Raises:
        UserError: naming it.
    """
    if not readings:
        raise UserError(f"{place}: there are none; give some of {', '.join(READINGS)}")
    if unknown := [name for name in readings if name not in READINGS]:
        raise UserError(f"{place}: there is no {unknown[0]}; choose from {', '.join(READINGS)}")
