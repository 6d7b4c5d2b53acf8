"""How the path of your own images becomes a data set: folder, archive or CSV file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from softcpt.data.class_words import words
from softcpt.data.own_files import ARCHIVES, archive_stem, unpacked_folder
from softcpt.errors import UserError


def own_place(given: str | os.PathLike[str], flag: str) -> Path:
    """The folder of class folders, or the CSV file, that ``given`` means; an archive is unpacked.

    Args:
        given: a path.
        flag: who asks, for messages ("--images").

    Raises:
        UserError: it is no folder, archive or CSV file.
    """
    path = Path(given).expanduser().absolute()
    if path.is_dir():
        return Path(os.path.normpath(path))
    if path.is_file() and archive_stem(path):
        return unpacked_folder(path)
    if path.is_file() and path.suffix.lower() == ".csv":
        return path
    what = "no folder, CSV file or archive" if path.exists() else "no such folder or file"
    raise UserError(
        f"{flag} {given}: {what}; give a folder of class folders, a CSV file (path,label), or "
        f"one of {', '.join(ARCHIVES)}"
    )


def own_reader(place: Path) -> str:
    """The registered data set that reads ``place``."""
    return "CSV" if place.is_file() else "ImageFolder"


def same_names(places: Sequence[Path]) -> dict[str, int]:
    """Names that the tasks of several of ``places`` would have, and of how many; those with a
    ``task_name.txt`` are not counted."""
    own = [words(place.stem if place.is_file() else place.name) for place in places]
    named = [name for name, place in zip(own, places) if not (place / "task_name.txt").is_file()]
    return {name: named.count(name) for name in sorted(named) if named.count(name) > 1}
