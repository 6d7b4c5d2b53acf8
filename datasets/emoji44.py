"""Emoji-44, the embedded benchmark: real images of 44 tasks that travel with the package."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from dassl.data.datasets import DATASET_REGISTRY

import softcpt
from softcpt.data.dassl_dataset import TaskedDataset
from softcpt.data.datum import ImageDatum
from softcpt.data.few_shot import few_shot_indices
from softcpt.data.options import DataOptions
from softcpt.data.subsample import subsample
from softcpt.data.unpack import unpack
from softcpt.errors import UserError
from softcpt.tasks import Task, TaskSet
from softcpt.utils.files import cache_folder

ARCHIVE = Path(softcpt.__file__).parent / "assets/emoji44/emoji44.zip"
TEMPLATE = "an emoji of a {}."


@DATASET_REGISTRY.register()
class Emoji44(TaskedDataset):
    """Emoji drawn by independent artists: 44 tasks (Unicode's subgroups), 687 classes, 4,809 images
    of 48 x 48 pixels.

    A class has one image per design: four for training (so 1, 2 or 4 shots), one for validation,
    two for testing. No design is in two splits, and none of them was used to train the embedded
    model. How the designs were chosen and who drew them: ``README.md`` and ``ATTRIBUTION.md``
    beside the archive.

    ``shots`` images per class are drawn as CoOp draws them, from ``seed`` alone; below 1: all. A
    Datum's domain is its task's index, its label the global class index, its path a file below
    :func:`unpacked`. Keywords are those of :class:`softcpt.data.options.DataOptions`.

    Raises:
        UserError: the archive cannot be unpacked, or what was unpacked is incomplete.
    """

    licence = "Apache-2.0, CC BY 4.0, OFL-1.1 (ATTRIBUTION.md)"
    template = TEMPLATE

    def __init__(self, cfg: Any = None, **options: Any) -> None:
        asked = DataOptions.of(cfg, options, type(self).__name__)
        folder = unpacked(ARCHIVE)
        index = json.loads((folder / "emoji44.json").read_text(encoding="utf-8"))
        self.dataset_dir = str(folder)
        tasks = TaskSet(
            [Task(task["name"], task["classes"], template=TEMPLATE) for task in index["tasks"]]
        )
        images = index["images"]
        drawn = few_shot_indices(images, asked.shots, asked.seed)
        chosen = {
            part: [images[part][position] for position in drawn[part]] for part in ("train", "val")
        }
        parts = {
            part: [
                ImageDatum(os.path.join(folder, path), label, tasks.to_local(label)[0], name)
                for path, label, name in rows
            ]
            for part, rows in {**chosen, "test": images["test"]}.items()
        }
        super().__init__(*subsample(tasks, parts, asked.classes, asked.tasks))


def unpacked(archive: Path) -> Path:
    """The folder that holds the archive's files: unpacked once into the cache
    (:func:`softcpt.utils.files.cache_folder`), named after the archive's content.

    Safe when several processes start at once.
    """
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    folder = cache_folder() / f"{archive.stem}-{digest[:8]}"
    if not folder.exists():
        _unpack(archive, folder)
    with zipfile.ZipFile(archive) as members:
        wanted = len(members.namelist())
    found = sum(len(files) for _, _, files in os.walk(folder))
    if found != wanted:
        fault = f"has {found} files where {archive.name} has {wanted}"
        raise UserError(f"{folder}: {fault}; delete the folder and run again")
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    """Make ``folder`` with all that is in ``archive``, unless another process is first."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            unpack(archive, temporary)
            os.rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        # A folder cannot be renamed onto one with files in it: another process was first, with the
        # same files.
        if not folder.is_dir():
            raise UserError(
                f"{folder}: cannot unpack there ({error.strerror}); make room, or set "
                "SOFTCPT_CACHE to another folder"
            ) from error
