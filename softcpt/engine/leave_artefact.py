"""What a run of train.py leaves to be used: an artefact in its output folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from softcpt.artefacts.adapted import AdaptedClip
from softcpt.artefacts.checkpoint import RUN_ARTEFACT
from softcpt.artefacts.record import Record, figures_of
from softcpt.clip.preprocessing import Preprocessing
from softcpt.engine.results import Run, figures, versions
from softcpt.engine.run_inputs import RunData
from softcpt.prompters import TaskClassifier

_log = logging.getLogger(__name__)

# What says which images a run had, in words that hold on every machine.
_DATA_KEYS = (
    *("NAME", "NUM_SHOTS", "SUBSAMPLE_CLASSES", "SUBSAMPLE_TASKS"),
    *("TEMPLATE", "METRICS", "TASK_DESCRIPTION"),
)


def leave_artefact(run: Run, method: TaskClassifier, data: RunData, folder: str | Path) -> None:
    """Save what a run trained or loaded below its output ``folder``.

    Args:
        run: what it reached.
        method: that was trained.
        data: on which images.
        folder: of the run.
    """
    preprocessing = preprocessing_of(data.maker.cfg)
    if preprocessing is None:
        _log.info(
            "No artefact: INPUT.TRANSFORMS has what it cannot describe (it knows resizing, the "
            "middle crop and normalize)"
        )
        return
    adapted = AdaptedClip(method, run.method, record_of(run, data), preprocessing)
    kept = adapted.save(Path(folder, RUN_ARTEFACT))
    _log.info(f"Artefact written to {kept}: `python -m softcpt predict {kept} IMAGES`")


def record_of(run: Run, data: RunData) -> Record:
    """What a run knows of its training, and what its tests found."""
    cfg = data.maker.cfg
    return Record(
        measured={split: figures_of(figures(found)) for split, found in run.results.items()},
        selected=run.origin.selected,
        curve=run.curve,
        balance=run.balance,
        early_stop=run.early_stop,
        settings=run.shared,
        data={
            "name": cfg.DATASET.NAME,
            "shots": cfg.DATASET.NUM_SHOTS,
            "seed": cfg.SEED,
            "images": {split: len(items) for split, items in data.items.items()},
            "keys": data_keys(cfg),
        },
        parameters=run.parameters,
        seconds=run.seconds,
        versions=versions(),
        source=run.origin.source,
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
    size, mode = settings.SIZE[0], settings.RESIZE_MODE
    return Preprocessing(size, mean, std, settings.INTERPOLATION, mode)
