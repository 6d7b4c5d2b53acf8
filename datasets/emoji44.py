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

from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum

import softcpt
from softcpt.data.subsample import subsample
from softcpt.errors import UserError
from softcpt.fewshot import few_shot_indices
from softcpt.tasks import Task, TaskSet

ARCHIVE = Path(softcpt.__file__).parent / "assets/emoji44/emoji44.zip"
TEMPLATE = "an emoji of a {}."


@DATASET_REGISTRY.register()
class Emoji44(DatasetBase):
    """Emoji drawn by independent artists: 44 tasks (Unicode's subgroups), 687 classes, 4,809 images of 48 x 48 pixels.

    A class has one image per design: four for training (so 1, 2 or 4 shots), one for validation, two for testing.
    No design is in two splits, and none of them was used to train the embedded model. How the designs were chosen and
    who drew them: ``README.md`` and ``ATTRIBUTION.md`` beside the archive.

    ``DATASET.NUM_SHOTS`` images per class are drawn as CoOp draws them, from ``SEED`` alone; below 1: all.
    A Datum's domain is its task's index, its label the global class index, its path a file below :func:`unpack`.

    Attributes:
        tasks: the 44 tasks.

    Raises:
        UserError: the archive cannot be unpacked, or what was unpacked is incomplete.
    """

    licence = "Apache-2.0, CC BY 4.0, OFL-1.1 (ATTRIBUTION.md)"

    def __init__(self, cfg: Any) -> None:
        folder = unpack(ARCHIVE)
        index = json.loads((folder / "emoji44.json").read_text(encoding="utf-8"))
        self.dataset_dir = str(folder)
        self.tasks = TaskSet([Task(task["name"], task["classes"], template=TEMPLATE) for task in index["tasks"]])
        images = index["images"]
        drawn = few_shot_indices(images, cfg.DATASET.NUM_SHOTS, cfg.SEED)
        chosen = {part: [images[part][position] for position in drawn[part]] for part in ("train", "val")}
        parts = {part: self._read(rows) for part, rows in {**chosen, "test": images["test"]}.items()}
        self.tasks, parts = subsample(self.tasks, parts, cfg.DATASET.SUBSAMPLE_CLASSES, cfg.DATASET.SUBSAMPLE_TASKS)
        super().__init__(train_x=parts["train"], val=parts["val"], test=parts["test"])

    def _read(self, images: list[list[Any]]) -> list[Datum]:
        return [
            Datum(os.path.join(self.dataset_dir, path), label, self.tasks.to_local(label)[0], name)
            for path, label, name in images
        ]


def unpack(archive: Path) -> Path:
    """The folder that holds the archive's files: unpacked once into the cache, named after the archive's content.

    The cache is ``$SOFTCPT_CACHE``, or ``~/.cache/softcpt``. Safe when several processes start at once.
    """
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    cache = Path(os.environ.get("SOFTCPT_CACHE") or "~/.cache/softcpt").expanduser()
    folder = cache / f"{archive.stem}-{digest[:8]}"
    with zipfile.ZipFile(archive) as members:
        if not folder.exists():
            _extract(members, folder)
        wanted = len(members.namelist())
    found = sum(len(files) for _, _, files in os.walk(folder))
    if found != wanted:
        raise UserError(f"{folder}: has {found} files where {archive.name} has {wanted}; delete the folder and run again")
    return folder


def _extract(members: zipfile.ZipFile, folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            members.extractall(temporary)
            os.rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        # A folder cannot be renamed onto one with files in it: another process was first, with the same files.
        if not folder.is_dir():
            raise UserError(
                f"{folder}: cannot unpack there ({error.strerror}); make room, or set SOFTCPT_CACHE to another folder"
            ) from error
