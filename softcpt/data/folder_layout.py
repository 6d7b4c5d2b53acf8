"""Where on a disk a data set's folder, images and split file are, under the names that people give
them."""

from __future__ import annotations

import os
from pathlib import Path

from softcpt.data.listing import unnested
from softcpt.data.side_files import side_file
from softcpt.errors import UserError


class Layout:
    """The folder of a data set.

    Attributes:
        dataset_dir: its folder below the root; in an instance, the whole path.
        aliases: other names that folder goes by. Case, blanks, ``-`` and ``_`` make no difference.
        image_dir: folder below it that the paths of its split are relative to.
        image_aliases: other names of ``image_dir``.
        split_files: split files that are looked for, first choice first.
    """

    dataset_dir: str = ""
    aliases: tuple[str, ...] = ()
    image_dir: str = ""
    image_aliases: tuple[str, ...] = ()
    split_files: tuple[str, ...] = ()

    @classmethod
    def name(cls) -> str:
        """The data set's name: that of its class."""
        return cls.__name__

    @classmethod
    def find_folder(cls, root: str) -> Path:
        """The data set's folder below ``root``.

        Raises:
            UserError: there is none.
        """
        help_text = f"`python -m softcpt data get {cls.name()} --root {root or 'FOLDER'}` tells or does what is needed"
        if not root:
            raise UserError(
                f"data set {cls.name()}: no --root; give the folder that holds {cls.dataset_dir}/, "
                f"{help_text}"
            )
        base = Path(os.path.abspath(os.path.expanduser(root)))
        folder = base / cls.dataset_dir
        if not folder.is_dir() and base.is_dir():
            known = {_plain(name) for name in (cls.dataset_dir, *cls.aliases)}
            alike = (
                entry
                for entry in sorted(base.iterdir())
                if _plain(entry.name) in known and entry.is_dir()
            )
            folder = next(alike, folder)
        if not folder.is_dir():
            raise UserError(
                f"data set {cls.name()}: no folder {folder}; {help_text}, or --root names another "
                "place"
            )
        return folder

    @classmethod
    def image_folder(cls, folder: Path) -> Path:
        """The folder of the images in the data set's ``folder``; one more folder around it or in it
        is seen through."""
        names = (cls.image_dir, *cls.image_aliases)
        images = next(
            (folder / name for name in names if (folder / name).is_dir()), folder / cls.image_dir
        )
        if not images.is_dir():
            inner = [
                entry / name
                for entry in sorted(folder.iterdir())
                for name in names
                if (entry / name).is_dir()
            ]
            images = inner[0] if len(inner) == 1 else images
        return unnested(images)

    @classmethod
    def find_split(cls, folder: Path) -> Path | None:
        """The split file in the data set's ``folder``: a published one, else one that was drawn
        here; None: neither."""
        images = cls.image_folder(folder)
        inner = images.parent if cls.image_dir else images
        candidates = [place / name for name in cls.split_files for place in (folder, inner)]
        candidates.append(side_file(folder, cls.drawn_file()))
        return next((path for path in candidates if path.is_file()), None)

    @classmethod
    def drawn_file(cls) -> str:
        """Name of a split that is drawn here."""
        return f"split_drawn_{cls.name()}.json"


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
