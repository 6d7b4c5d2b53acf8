"""Reads ImageNet and its variants: class folders named by WordNet ids, class names in
``classnames.txt``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from softcpt.data.base import Pool, Row, TaskDataset
from softcpt.data.pools import below
from softcpt.data.source import Source
from softcpt.errors import UserError
from softcpt.utils.text_files import read_text

CLASS_NAMES = Source(
    "1-61f_ol79pViBFDG_IDlUQSwoLcn2XXF",
    "classnames.txt",
    "gdrive",
    note="CLIP's class names, as CoOp hosts them; one file serves ImageNet and its variants",
)


class ImageNetVariant(TaskDataset):
    """Test images of ImageNet classes, a folder per class; ``classnames.txt`` is looked for in the
    folder, then in ``imagenet/`` beside it.

    Attributes:
        parts: the parts, and the folder in ``image_dir`` that each lies in.
    """

    rule = "official"
    test_only = True
    task_name = "object image classification"
    parts: ClassVar[tuple[tuple[str, str], ...]] = (("test", ""),)

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The parts, with labels in the order of the folders' names."""
        names = read_classnames(folder)
        for part, inner in self.parts:
            yield Pool(part, self._rows(self.by_class(images / inner), names, inner))

    def _rows(self, classes: dict[str, list[str]], names: dict[str, str], inner: str) -> list[Row]:
        unknown = sorted(set(classes) - set(names))
        if unknown:
            raise UserError(
                f"data set {self.name()}: folder {unknown[0]} has no line in classnames.txt; move "
                "it out, or get the whole file"
            )
        order = {folder: label for label, folder in enumerate(sorted(names))}
        rows = []
        for folder in sorted(classes):
            label, name = order[folder], names[folder]
            rows += [(below(inner, path), label, name) for path in classes[folder]]
        return rows


def read_classnames(folder: Path) -> dict[str, str]:
    """WordNet id -> class name, in the order of ``classnames.txt``.

    Raises:
        UserError: the file is neither in ``folder`` nor in ``imagenet/`` beside it.
    """
    for path in (folder / "classnames.txt", folder.parent / "imagenet" / "classnames.txt"):
        if path.is_file():
            lines = read_text(path).splitlines()
            return dict(line.strip().split(" ", 1) for line in lines if " " in line.strip())
    raise UserError(
        f"{folder}: no classnames.txt, and none in imagenet/ beside it; get it from "
        f"{CLASS_NAMES.address}"
    )
