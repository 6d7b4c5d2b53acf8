"""Reads which images lie on disk and what class they are of, in pools that a split rule divides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from softcpt.data.image_files import class_folders
from softcpt.data.split import Item

Row = tuple[str, int, str]  # path below the image folder, label, class name


class Pool(NamedTuple):
    """Images that a publisher keeps together: ``part`` is "train", "val" or "test" where that is
    settled, "trainval" is divided 80/20 per class, "all" 50/20/30 per class."""

    part: str
    rows: list[Row]


def images_by_class(
    images: Path, leaves: bool = False, ignored: Collection[str] = ()
) -> dict[str, list[str]]:
    """Name of each class folder in ``images`` -> its images, without the ignored folders."""
    classes: dict[str, list[str]] = {}
    if not images.is_dir():
        return classes
    for folder, paths in class_folders(images, leaves).items():
        name = folder.rpartition("/")[2]
        if name not in ignored:
            classes.setdefault(name, []).extend(paths)
    return classes


def class_folder_pools(
    groups: dict[str, dict[str, list[str]]], class_name: Callable[[str], str]
) -> Iterator[Pool]:
    """A pool for each of several folders with class folders in them, all to be divided.

    Args:
        groups: path of the folder ("" for the image folder itself) -> class folder -> images.
        class_name: the class name for a folder's name. Labels follow the folders' names.
    """
    names = sorted(set().union(*groups.values()))
    for inner, classes in groups.items():
        rows = []
        for label, name in enumerate(names):
            paths = (below(inner, path) for path in classes.get(name, ()))
            rows += [(path, label, class_name(name)) for path in paths]
        yield Pool("all", rows)


def below(folder: str, path: str) -> str:
    """``path`` below ``folder``, both relative with ``/``; "" and "." are no folder."""
    return f"{folder}/{path}" if folder not in ("", ".") else path


def numbered(pools: Sequence[Pool]) -> tuple[list[tuple[str, list[Item]]], list[str]]:
    """The pools' images with labels from 0 without gaps, and the class names in their order."""
    names = {label: name for pool in pools for _, label, name in pool.rows}
    labels = {label: index for index, label in enumerate(sorted(names))}
    items = [
        (pool.part, [Item(path, 0, labels[label]) for path, label, _ in pool.rows])
        for pool in pools
    ]
    return items, [names[label] for label in sorted(names)]


def merged(rows: Iterable[Row]) -> list[Item]:
    """The images of ``rows``, each once, with the labels of all its rows."""
    labels: dict[str, list[int]] = {}
    for path, label, _ in rows:
        labels.setdefault(path, []).append(label)
    return [Item(path, 0, first, tuple(others)) for path, (first, *others) in labels.items()]
