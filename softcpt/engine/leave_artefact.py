"""What a run of train.py leaves to be used: an artefact in its output folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from softcpt.artefacts.adapted import AdaptedClip
from softcpt.artefacts.checkpoint import RUN_ARTEFACT
from softcpt.artefacts.record import Record, figures_of
from softcpt.clip.preprocessing import Preprocessing
from softcpt.engine.results import shared_settings, versions
from softcpt.task_results import intervals, overall
from softcpt.utils import parallel

_log = logging.getLogger(__name__)

# What says which images a run had, in words that hold on every machine.
_DATA_KEYS = (
    *("NAME", "NUM_SHOTS", "SUBSAMPLE_CLASSES", "SUBSAMPLE_TASKS"),
    *("TEMPLATE", "METRICS", "TASK_DESCRIPTION"),
)


def leave_artefact(trainer: Any) -> None:
    """Save what a :class:`softcpt.engine.trainer.PromptTrainer` trained or loaded, in the first
    process."""
    preprocessing = preprocessing_of(trainer.cfg)
    if preprocessing is None:
        _log.info(
            "No artefact: INPUT.TRANSFORMS has what it cannot describe (it knows resizing, the "
            "middle crop and normalize)"
        )
        return
    if parallel.is_main():
        adapted = AdaptedClip(trainer.prompter, trainer.method, record_of(trainer), preprocessing)
        folder = adapted.save(Path(trainer.output_dir, RUN_ARTEFACT))
        _log.info(f"Artefact written to {folder}: `python -m softcpt predict {folder} IMAGES`")


def record_of(trainer: Any) -> Record:
    """What a run knows of its training, and what its tests found."""
    cfg, dataset = trainer.cfg, trainer.dataset
    measured = {}
    for split, results in trainer.results.items():
        figures = {
            "overall": {m: overall(tasks) | intervals(tasks) for m, tasks in results.items()},
            "tasks": {m: [task.to_dict() for task in tasks] for m, tasks in results.items()},
        }
        measured[split] = figures_of(figures)
    images = {"train": dataset.train_x, "val": dataset.val, "test": dataset.test}
    return Record(
        measured=measured,
        selected=trainer.selected,
        curve=trainer.curve,
        settings=shared_settings(trainer),
        data={
            "name": cfg.DATASET.NAME,
            "shots": cfg.DATASET.NUM_SHOTS,
            "seed": cfg.SEED,
            "images": {split: len(items or ()) for split, items in images.items()},
            "keys": data_keys(cfg),
        },
        parameters=sum(parameter.numel() for parameter in trainer.prompter.parameters()),
        seconds=trainer.watch.seconds(),
        versions=versions(),
        source=trainer.source,
    )


def data_keys(cfg: Any) -> dict[str, Any]:
    """The keys that find the same data again; none for folders of the user's own."""
    if cfg.DATASET.TASKS or cfg.DATASET.NAME == "ImageFolder":
        return {}
    return {f"DATASET.{key}": cfg.DATASET[key] for key in _DATA_KEYS if cfg.DATASET[key]}


def preprocessing_of(cfg: Any) -> Preprocessing | None:
    """The test-time transform of a configuration; None: it has steps that are not described so."""
    settings, steps = cfg.INPUT, set(cfg.INPUT.TRANSFORMS)
    if settings.NO_TRANSFORM or "instance_norm" in steps or len(set(settings.SIZE)) > 1:
        return None
    mean, std = settings.PIXEL_MEAN, settings.PIXEL_STD
    if "normalize" not in steps:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return Preprocessing(settings.SIZE[0], mean, std, settings.INTERPOLATION)
