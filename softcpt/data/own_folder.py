"""Reads your own images as a task, from a folder."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

from softcpt.data.class_words import words
from softcpt.data.image_files import class_folders, scan, unnested
from softcpt.data.own_files import CLASS_TABLE, archive_stem, class_table, unpacked_folder
from softcpt.data.own_images import ImageRow, OwnDataset
from softcpt.data.part_folders import (
    PARTS,
    division,
    holds_classes,
    holds_images,
    is_division,
    slashed,
)
from softcpt.data.split import Split
from softcpt.errors import UserError
from softcpt.tasks import TaskSet

_log = logging.getLogger(__name__)


class FolderDataset(OwnDataset):
    """``class/image``, or ``train|val|test/class/image``, as a folder or as an archive of one; see
    :class:`OwnDataset`.

    A table ``classes.csv`` (``folder,name``) beside the class folders gives classes other names.
    """

    advice = "put them into class/image or train|val|test/class/image"

    @classmethod
    def find_folder(cls, root: str) -> Path:
        """``root`` itself; of an archive, the folder that it is unpacked into."""
        folder = Path(root or ".").expanduser().absolute()
        if root and folder.is_file() and archive_stem(folder):
            return unpacked_folder(folder)
        if not root or not folder.is_dir():
            raise UserError(
                f"data set {cls.name()}: DATASET.ROOT '{root}' is no folder; give that of your "
                "classes"
            )
        return folder

    @property
    def default_task_name(self) -> str:
        """The folder's name in words."""
        return words(self.folder.name)

    def class_name(self, name: str) -> str:
        """What ``classes.csv`` calls the class of a folder; without an entry its own name."""
        return self._class_table.get(name, name)

    @cached_property
    def _class_table(self) -> dict[str, str]:
        return class_table(self.folder) or class_table(self.image_folder(self.folder))

    def make_tasks(self, split: Split) -> TaskSet:
        """The task, its classes called as the table has it.

        The split file keeps the folders' names, so the table may be written later.

        Raises:
            UserError: the table names a folder that is no class, or two classes have one name.
        """
        folders = split.class_names[0]
        unknown = sorted(self._class_table.keys() - set(folders))
        names = [self.class_name(folder) for folder in folders]
        twice = sorted({name for name in names if names.count(name) > 1})
        if unknown or twice:
            wrong = (
                f"'{unknown[0]}' is no class folder" if unknown else f"'{twice[0]}' is there twice"
            )
            raise UserError(
                f"{self.folder}: its {CLASS_TABLE} does not fit ({wrong}); there are "
                f"{slashed(folders)}"
            )
        return super().make_tasks(split.renamed(self.class_name))

    def labelled(self, folder: Path) -> Iterator[ImageRow]:
        """A row per image. Prints what is left out: folders that are no part, empty classes.

        Raises:
            UserError: the folders could be classes or parts of a split, or there are none.
        """
        images = self.image_folder(folder)
        parts = division(images)
        self._print_left_out(folder, images, parts)
        if not parts:
            self._look_at_loose_images(images)
            yield from self._rows(images, "", "all")
        for name, part in parts.items():
            yield from self._rows(images, self._within(images, name), part)

    def _look_at_loose_images(self, images: Path) -> None:
        """Print that images beside the class folders are left out.

        Raises:
            UserError: there are no class folders, only images.
        """
        loose = scan(images)[1]
        if not loose:
            return
        if not holds_classes(images):
            several = f"images ({loose[0]}, ...)" if len(loose) > 1 else f"image ({loose[0]})"
            beside = [name for name in scan(images.parent)[0] if holds_images(images.parent / name)]
            above = f"if it is one class of several, give {images.parent}; else " * (
                len(beside) > 1
            )
            raise UserError(
                f"{images}: {len(loose):,} {several} and no class folders; {above}put those of "
                "each class into a folder of its own, called as the class is, or list them in a "
                "table (path,label; docs/add-a-task.md)"
            )
        _log.info(
            f"{self.called}: left out, {len(loose):,} images beside the class folders of {images} "
            f"({loose[0]}, ...)"
        )

    def _rows(self, images: Path, inner: str, part: str) -> Iterator[ImageRow]:
        """The images of the class folders in ``images / inner``."""
        folder = images / inner
        classes = class_folders(folder)
        empty = [name for name in scan(folder)[0] if name not in classes]
        if empty:
            _log.info(f"{self.called}: left out, no images in {slashed(empty)} of {folder}")
        if part == "all":
            self._print_grouped(folder, classes)
        prefix = f"{inner}/" if inner else ""
        for label, paths in classes.items():
            if part == "all":
                self._refuse_inner_division(folder / label, paths)
            yield from (ImageRow(part, prefix + path, "", label) for path in paths)

    def _print_grouped(self, folder: Path, classes: Mapping[str, list[str]]) -> None:
        """Print that folders may be tasks, if all of them hold folders of images and no images."""
        if len(classes) > 1 and all(path.count("/") > 1 for path in chain(*classes.values())):
            given = " ".join(shlex.quote(str(folder / name)) for name in islice(classes, 6))
            _log.info(
                f"{self.called}: {slashed(classes)} are the classes, whatever the folders in them; "
                f"if each is a task of its own: --images {given}"
            )

    @staticmethod
    def _refuse_inner_division(folder: Path, paths: list[str]) -> None:
        """Raises UserError if the images of class ``folder`` lie in part/class/image."""
        inner = {path.split("/")[1] for path in paths if path.count("/") > 2}
        if is_division(PARTS[name.lower()] for name in inner if name.lower() in PARTS):
            raise UserError(
                f"{folder}: it holds {slashed(sorted(inner))}, so it is no class; give it as "
                "DATASET.ROOT, or it and others like it as tasks, --images "
                f"{shlex.quote(str(folder))} ..."
            )

    @staticmethod
    def _within(images: Path, name: str) -> str:
        """Path of part ``name``'s classes: an archive may hold it once more (``train/train``)."""
        folders = scan(images / name)[0]
        again = [inner for inner in folders if inner.lower() == name.lower()]
        if folders == again and again and holds_classes(images / name / again[0]):
            return f"{name}/{again[0]}"
        return name

    def _print_left_out(self, folder: Path, images: Path, parts: dict[str, str]) -> None:
        """Print which folders are neither parts nor on the way to them."""
        place = images
        while place != folder:
            rest = [name for name in scan(place.parent)[0] if name != place.name]
            if rest:
                _log.info(
                    f"{self.called}: left out, no images in {slashed(rest)} of {place.parent}"
                )
            place = place.parent
        rest = [name for name in scan(images)[0] if name not in parts]
        if parts and rest:
            _log.info(
                f"{self.called}: {slashed(parts)} are the parts of {images}; "
                f"left out: {slashed(rest)}"
            )

    @classmethod
    def image_folder(cls, folder: Path) -> Path:
        """``folder``, or the one folder in it, others without an image not counted."""
        inner = unnested(folder)
        folders, images = scan(inner)
        full = list(islice((name for name in folders if holds_images(inner / name)), 2))
        if images or len(full) != 1:
            return inner
        only = inner / full[0]
        part_is_empty = any(name.lower() in PARTS for name in folders if name != only.name)
        if part_is_empty or scan(only)[1] or not holds_classes(only):
            return inner
        return cls.image_folder(only)
