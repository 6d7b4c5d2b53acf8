"""``predictions.npz``: what a run predicted for every test image, beside its results.json."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from softcpt.engine.measuring import Tested
from softcpt.engine.run_inputs import RunData
from softcpt.errors import UserError
from softcpt.ranking import Ranked
from softcpt.tasks import TaskSet
from softcpt.utils.files import atomic_write

_log = logging.getLogger(__name__)

PREDICTIONS_FILE = "predictions.npz"
# With TEST.PREDICTIONS auto a file of this many images is not written.
MANY_IMAGES = 100_000


def wanted(setting: str, images: int) -> bool:
    """Whether a run writes the file: ``TEST.PREDICTIONS`` and the number of its test images."""
    return setting == "on" or (setting == "auto" and images < MANY_IMAGES)


def leave_predictions(
    folder: str | Path, data: RunData, tested: Mapping[str, Tested]
) -> str | None:
    """Write ``predictions.npz`` of the split that counts, where ``TEST.PREDICTIONS`` says so and
    the sampler of tests gave every image once; else remove an earlier run's.

    Args:
        folder: of the run.
        data: its images.
        tested: by method what was reached on them.

    Returns:
        The file's name, or None.
    """
    split = data.splits[-1]
    paths = paths_of_rows(data, split)
    setting, count = data.maker.cfg.TEST.PREDICTIONS, len(paths)
    ranked = {method: found.ranked for method, found in tested.items()}
    whole = all(len(found.labels) == count for found in ranked.values())
    if whole and wanted(setting, count):
        write_predictions(folder, split, data.tasks, paths, ranked)
        return PREDICTIONS_FILE
    remove_predictions(folder)
    _log.info(f"No predictions.npz (TEST.PREDICTIONS {setting}, {count:,} images)")
    return None


def paths_of_rows(data: RunData, split: str) -> list[str]:
    """The path of each image of a split, as often as it has tasks."""
    paths = data.paths(split)
    images, _ = data.tasks.pairs(data.split(split)[1].labels)
    return paths if images is None else [paths[image] for image in images.tolist()]


def write_predictions(
    folder: str | Path,
    split: str,
    tasks: TaskSet,
    paths: Sequence[str],
    methods: Mapping[str, Ranked],
) -> None:
    """Write ``predictions.npz`` into ``folder``, whole or not at all; docs/results.md describes its
    arrays.

    Args:
        folder: of the run.
        split: which images they are, "test" or "val".
        tasks: all tasks.
        paths: (N,) of the images, below the root of the data; one of several tasks has a row for
            each.
        methods: by name the N rows as they were ranked, in the order of ``paths``.

    Raises:
        UserError: the file cannot be written.
    """
    ranked = list(methods.values())
    labels = ranked[0].labels
    arrays: dict[str, Any] = {
        "split": np.array(split),
        "methods": np.array(list(methods)),
        "tasks": np.array(tasks.names),
        "classes": np.array(tasks.class_names),
        "task_of_class": tasks.task_of_class.int().numpy(),
        "path": np.array([PurePath(path).as_posix() for path in paths]),
        "task": tasks.owners(labels).int().numpy(),
        "label": labels.reshape(len(labels), -1).int().numpy(),
        "top5": np.stack([each.classes.numpy() for each in ranked]),
        "probability": np.stack([each.probabilities.numpy() for each in ranked]),
    }
    with atomic_write(Path(folder) / PREDICTIONS_FILE) as temporary, open(temporary, "wb") as file:
        # An open file: to a name numpy would append .npz.
        np.savez_compressed(file, **arrays)


def remove_predictions(folder: str | Path) -> None:
    """Remove the file of an earlier run in the same folder, which would stand beside figures that
    are not its own.

    Raises:
        UserError: it cannot be removed.
    """
    path = Path(folder) / PREDICTIONS_FILE
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be removed ({error.strerror}), and it is not of this run; remove it, "
            "or choose another --output-dir"
        ) from error
