"""Finds a data set's folder, images and split file on a disk, under the names that people give
them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from softcpt.data.image_files import unnested
from softcpt.data.writable_path import writable_path
from softcpt.errors import UserError


class Layout:
    """The folder of a data set.

    Attributes:
        dataset_dir: its folder below the root; in an instance, the whole path.
        aliases: other names that folder goes by. Case, blanks, ``-`` and ``_`` make no difference.
        image_dir: folder below it that the paths of its split are relative to.
        image_aliases: other names of ``image_dir``.
        skips_wrappers: a single folder around the images, or around all that is in theirs, is left
            out of their paths; False: these begin in ``image_dir`` itself.
        split_files: split files that are looked for, first choice first.
    """

    dataset_dir: str = ""
    aliases: ClassVar[tuple[str, ...]] = ()
    image_dir: ClassVar[str] = ""
    image_aliases: ClassVar[tuple[str, ...]] = ()
    skips_wrappers: ClassVar[bool] = True
    split_files: ClassVar[tuple[str, ...]] = ()

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
        command = f"python -m softcpt data get {cls.name()} --root {root or 'FOLDER'}"
        remedy = f"`{command}` downloads it, or prints what to do"
        if not root:
            raise UserError(
                f"data set {cls.name()}: no --root; give the folder that holds {cls.dataset_dir}/, "
                f"{remedy}"
            )
        base = Path(os.path.abspath(os.path.expanduser(root)))
        folder = base / cls.dataset_dir
        if not folder.is_dir() and base.is_dir():
            known = {_plain(name) for name in (cls.dataset_dir, *cls.aliases)}
            alike = (path for path in sorted(base.iterdir()) if _plain(path.name) in known)
            folder = next((path for path in alike if path.is_dir()), folder)
        if not folder.is_dir():
            raise UserError(
                f"data set {cls.name()}: no folder {folder}; {remedy}, or --root names another "
                "place"
            )
        return folder

    @classmethod
    def image_folder(cls, folder: Path) -> Path:
        """The folder of the images in the data set's ``folder``."""
        if not cls.skips_wrappers:
            return folder / cls.image_dir
        names = (cls.image_dir, *cls.image_aliases)
        own = [folder / name for name in names if (folder / name).is_dir()]
        if own:
            return unnested(own[0])
        inner = []
        for around in sorted(folder.iterdir()):
            inner += [around / name for name in names if (around / name).is_dir()]
        return unnested(inner[0] if len(inner) == 1 else folder / cls.image_dir)

    @classmethod
    def find_split(cls, folder: Path) -> Path | None:
        """The split file in the data set's ``folder``: a published one, else one that was drawn
        here; None: neither."""
        images = cls.image_folder(folder)
        inner = images.parent if cls.image_dir else images
        candidates = []
        for name in cls.split_files:
            candidates += [folder / name, inner / name]
        candidates.append(writable_path(folder, cls.drawn_file()))
        return next((path for path in candidates if path.is_file()), None)

    @classmethod
    def drawn_file(cls) -> str:
        """Name of a split that is drawn here."""
        return f"split_drawn_{cls.name()}.json"


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
