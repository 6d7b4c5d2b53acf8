"""Lists the images in folders: one listing per folder, no look at single files, stray files left
out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from softcpt.errors import UserError

IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".webp",
    ".ppm",
    ".pgm",
)
# Folders that stand beside the classes and are none.
NO_CLASSES = {
    "split_fewshot",
    "split_fewshot_mt",
    "split_fewshot_elevater",
    "split_fewshot_photo16",
    "__MACOSX",
    "@eaDir",
}


def scan(folder: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """Names of the folders and of the image files in ``folder``, each sorted.

    Hidden entries (``.DS_Store``, ``._photo.jpg``) and files that no image has the name of
    (``Thumbs.db``, ``x.mat``) are left out; ``.JPG`` is ``.jpg``. Costs one directory listing: an
    entry's kind comes with its name.

    Raises:
        UserError: a name is not in UTF-8.
    """
    folders, images = [], []
    with os.scandir(os.fspath(folder)) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in NO_CLASSES:
                continue
            if entry.name.lower().endswith(IMAGE_SUFFIXES) and not entry.is_dir():
                images.append(_decodable(entry.name, folder))
            elif entry.is_dir():
                folders.append(_decodable(entry.name, folder))
    return sorted(folders), sorted(images)


def _decodable(name: str, folder: str | os.PathLike[str]) -> str:
    """The name of a file or folder, which a split file and results.json can hold.

    Raises:
        UserError: its bytes are not UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{os.fspath(folder)}: the name {name!r} in it is not in UTF-8; rename it (`convmv` "
            "does so for all)"
        ) from None
    return name


def unnested(folder: Path) -> Path:
    """``folder``, or the folder inside it that has all it holds: archives often wrap theirs in one
    more of some name.

    A folder that holds a single folder of images only is a task of one class and stays as it is.
    """
    folders, images = scan(folder) if folder.is_dir() else ([], [])
    if len(folders) == 1 and not images:
        inner = folder / folders[0]
        if scan(inner)[0]:
            return unnested(inner)
    return folder


def class_folders(folder: Path, leaves: bool = False) -> dict[str, list[str]]:
    """Class folder -> its images, both as paths relative to ``folder`` with ``/``, in sorted order.

    Args:
        folder: the folder of class folders.
        leaves: False: a class is a folder directly in ``folder``, with all images at any depth
            below it; True: it is every folder at any depth that holds images itself (classes
            grouped under headings). Its last name counts.
    """
    classes: dict[str, list[str]] = {}

    def visit(path: str, owner: str) -> None:
        folders, images = scan(folder / path)
        if images and path:
            label = path if leaves else owner
            classes.setdefault(label, []).extend(f"{path}/{name}" for name in images)
        for name in folders:
            visit(f"{path}/{name}" if path else name, owner or name)

    visit("", "")
    return classes


def find_images(root: Path, paths: Sequence[str]) -> list[str | None]:
    """Where each of ``paths`` (relative to ``root``) is on disk; None where there is no such file.

    A folder that holds nothing but one folder is taken for that one
    (``cars_train/cars_train/00001.jpg``).
    """
    listed: dict[str, tuple[str, set[str]]] = {}
    found: list[str | None] = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder not in listed:
            listed[folder] = _names(root / folder)
        where, names = listed[folder]
        found.append(os.path.join(where, name) if name in names else None)
    return found


def _names(folder: Path) -> tuple[str, set[str]]:
    try:
        names = set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return str(folder), set()
    visible = [name for name in names if not name.startswith(".")]
    if len(visible) == 1 and (folder / visible[0]).is_dir():
        return _names(folder / visible[0])
    return str(folder), names
