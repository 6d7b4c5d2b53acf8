"""Finds what ELEVATER's tasks are read from, in folders of other names and one inside another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from softcpt.data.image_files import class_folders, scan
from softcpt.data.part_folders import part_folders
from softcpt.data.pools import below as path_below

DEPTH = 3  # folders that an archive or a person may have put around a data set


def below(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """``folder`` and those in it, nearest first, down to ``depth``; none that holds a folder per
    class."""
    level = [folder]
    for _ in range(depth + 1):
        yield from level
        inner = []
        for place in level:
            names = scan(place)[0]
            if len(names) <= 8:
                inner += [place / name for name in names]
        level = inner


def holding(folder: Path, *names: str) -> Path | None:
    """The nearest folder in ``folder``, or itself, in which all ``names`` are; None: there is
    none."""
    for place in below(folder):
        if all((place / name).exists() for name in names):
            return place
    return None


def divided_folder(folder: Path) -> tuple[Path, dict[str, str]] | None:
    """The folder that holds one of training and one of test images, and the part of each folder in
    it; None: there is none."""
    for place in below(folder):
        parts = part_folders(place)
        if {"train", "test"} <= set(parts.values()):
            return place, parts
    return None


def images_of_classes(place: Path, images: Path) -> Iterator[tuple[str, str]]:
    """Path below ``images`` and class folder's name of each image in the class folders of
    ``place``."""
    prefix = place.relative_to(images).as_posix()
    for name, paths in class_folders(place, leaves=True).items():
        label = name.rpartition("/")[2]
        for path in paths:
            yield path_below(prefix, path), label


class ClassLabels:
    """Labels by what the publisher, or a person, calls the classes: capitals, signs between words
    and zeros in front of a number make no difference.

    Args:
        classes: class name, in label order, by what the publisher calls the class.
    """

    def __init__(self, classes: dict[str, str]) -> None:
        named = {_plain(name): label for label, name in enumerate(classes.values())}
        self._labels = named | {_plain(name): label for label, name in enumerate(classes)}

    def get(self, name: str) -> int | None:
        """The label of the class called ``name``; None: there is no such class."""
        return self._labels.get(_plain(name))


def _plain(name: str) -> str:
    plain = "".join(character for character in name.lower() if character.isalnum())
    return str(int(plain)) if plain.isdecimal() else plain
