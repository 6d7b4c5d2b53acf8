"""Recognises the folders that are parts of a split (train, val, test) by what is in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from softcpt.data.image_files import scan
from softcpt.errors import UserError

# What people call the parts of a split.
PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def part_folders(folder: Path) -> dict[str, str]:
    """Part by name of each folder in ``folder`` that is called as one and holds class folders."""
    names = (name for name in scan(folder)[0] if name.lower() in PARTS)
    return {name: PARTS[name.lower()] for name in names if holds_classes(folder / name)}


def is_division(parts: Iterable[str]) -> bool:
    """Whether "train" and another are among ``parts``."""
    found = set(parts)
    return "train" in found and len(found) > 1


def division(folder: Path) -> dict[str, str]:
    """The :func:`part_folders` if they divide ``folder``; none if its folders are classes.

    A class may be called "train" if its images lie directly in its folder.

    Raises:
        UserError: it could be either.
    """
    names = scan(folder)[0]
    if not any(name.lower() in PARTS for name in names):
        return {}
    parts = part_folders(folder)
    mixed = [name for name in parts if scan(folder / name)[1]]
    if is_division(parts.values()):
        if mixed:
            raise UserError(
                f"{folder}: images lie beside the class folders in {slashed(mixed)}; move them "
                "into class folders"
            )
        others = [name for name in names if name not in parts and holds_images(folder / name)]
        if others and not _share_classes(folder, parts):
            raise UserError(
                f"{folder}: no class is in two of {slashed(parts)}, so these may be classes; if "
                f"they are parts of a split, move {slashed(others)} away, else put their images "
                "straight into them"
            )
        return parts
    nested = [name for name in parts if name not in mixed]
    if nested:
        raise UserError(
            f"{folder}: {slashed(nested)} with class folders is no split without train/ and test/ "
            "or val/ that have them too; add these, give it as DATASET.ROOT to divide its images, "
            "or, if it is a class, put its images straight into it"
        )
    _refuse_unsorted(folder, names)
    return {}


def _refuse_unsorted(folder: Path, names: list[str]) -> None:
    """Raises UserError if images seem to lie in parts that have no class folders.

    One folder called as a part may be a class beside others; several, or nothing else, may not.
    """
    full = [name for name in names if holds_images(folder / name)]
    named = [name for name in full if name.lower() in PARTS]
    both = is_division(PARTS[name.lower()] for name in named)
    if named and (both or named == full):
        others = [name for name in names if name not in named]
        beside = f" beside {slashed(others)}" if others else ""
        raise UserError(
            f"{folder}: images lie directly in {slashed(named)}{beside}; if these are parts of a "
            f"split, sort them into class folders ({named[0]}/CLASS/image), if they are classes, "
            "list the images in a table (DATASET.NAME CSV)"
        )


def holds_images(folder: Path) -> bool:
    """Whether an image is in ``folder``, at any depth."""
    folders, images = scan(folder)
    return bool(images) or any(holds_images(folder / name) for name in folders)


def holds_classes(folder: Path) -> bool:
    """Whether a folder with images is in ``folder``."""
    return any(holds_images(folder / name) for name in scan(folder)[0])


def slashed(names: Iterable[str], most: int = 6) -> str:
    """Folders' names in a line, ``a/, b/``; of many the first ``most`` and how many more."""
    folders = [f"{name}/" for name in names]
    more = f" and {len(folders) - most} more" if len(folders) > most else ""
    return ", ".join(folders[:most]) + more


def _share_classes(folder: Path, parts: dict[str, str]) -> bool:
    seen: set[str] = set()
    for name in parts:
        classes = set(scan(folder / name)[0])
        if seen & classes:
            return True
        seen |= classes
    return False
