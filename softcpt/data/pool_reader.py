"""Reads which images of what classes are in a data set's folder: what its file may override."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from softcpt.data.dataset_facts import DatasetFacts
from softcpt.data.options import DataOptions
from softcpt.data.pools import Pool, class_folder_pools, images_by_class
from softcpt.errors import UserError, named_reason_of


class PoolReader(DatasetFacts):
    """Reads class folders; a data set whose publisher has lists overrides :meth:`pools`.

    Attributes:
        options: what it was asked for.
        folder: the data set's folder.
    """

    options: DataOptions
    folder: Path

    def pools(self, folder: Path, images: Path) -> Iterable[Pool]:
        """The images on disk with labels and names: here, a class per folder in ``images``, labels
        in sorted order."""
        groups = {inner: self.by_class(images / inner) for inner in self.divided_apart}
        return class_folder_pools(groups, self.class_name)

    def by_class(self, images: Path) -> dict[str, list[str]]:
        """Name of the class folder -> its images, without the ignored ones."""
        return images_by_class(images, self.leaves, self.ignored)

    def class_name(self, name: str) -> str:
        """The class name for a folder's or a split file's. A name that was made here must come back
        as it is."""
        return self.renamed.get(name, name)

    def read_pools(self, folder: Path) -> list[Pool]:
        """The :meth:`pools` with all the classes that the data set has.

        Raises:
            UserError: lists are damaged, or classes are missing.
        """
        try:
            pools = list(self.pools(folder, self.image_folder(folder)))
        except UserError:
            raise
        except Exception as error:
            # Half a list or half a MATLAB file makes its reader raise nearly anything.
            if isinstance(error, OSError) and error.filename is not None:
                raise
            reason = named_reason_of(error)
            raise UserError(
                f"data set {self.name()}: the lists in {folder} cannot be used ({reason}); "
                f"{self.advice}"
            ) from error
        found = len({label for pool in pools for _, label, _ in pool.rows})
        in_part = 0 < found < self.num_classes
        if in_part and self.options.on_missing == "skip-classes":
            return pools
        if not found or self.num_classes not in (0, found):
            part = ", DATASET.ON_MISSING skip-classes uses these alone" if in_part else ""
            raise UserError(
                f"data set {self.name()}: {found} of {self.num_classes or 'its'} classes have "
                f"images in {self.image_folder(folder)}; {self.advice}{part}"
            )
        return pools

    def lines(self, path: Path) -> list[str]:
        """The lines of a list that the publisher provides, without empty ones.

        Raises:
            UserError: the file is missing.
        """
        stripped = map(str.strip, self.needed(path).read_text(encoding="utf-8-sig").splitlines())
        return [line for line in stripped if line]

    def needed(self, path: Path) -> Path:
        """``path``, if there is such a file."""
        if not path.is_file():
            raise UserError(f"data set {self.name()}: no file {path}; {self.advice}")
        return path

    @property
    def advice(self) -> str:
        """What helps when images are missing."""
        command = f"python -m softcpt data get {self.name()} --root {self.options.root}"
        return f"`{command}` completes it"

    @property
    def cfg(self) -> Any:
        """The options as Dassl's configuration, for files that read keys of their own."""
        return self.options.cfg

    def option(self, key: str, default: Any) -> Any:
        """``DATASET.<key>``; ``default`` where a configuration made for other code does not have
        it."""
        return self.cfg.DATASET.get(key, default)
