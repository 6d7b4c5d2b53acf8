"""Draws contact sheets: what the classes of a task look like, at a glance."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps
from tqdm import tqdm

from softcpt.data.fonts import Font, font_for
from softcpt.data.inventory import Inventory
from softcpt.errors import UserError
from softcpt.features.images import ImageError, read_image
from softcpt.tasks import Task
from softcpt.utils.files import atomic_write, name_for_file

ROWS = 60  # classes that stand under each other at most; more go beside them
_GAP = 4  # pixels between pictures
_NAME = 180  # pixels for a class's name
_LETTERS = 13  # pixels, their size
_CUT = "..."  # behind a name that is cut


def sheets(inventory: Inventory, output: Path, per_class: int, side: int) -> list[Path]:
    """Write a contact sheet for each task of ``inventory``, a row per class; returns the files.

    Args:
        inventory: of a data set.
        output: the PNG file; with several tasks the name of each is put into the file's name.
        per_class: pictures in a row, spread evenly over the class's images.
        side: of a picture, in pixels.

    Raises:
        UserError: the tasks are not known without a split, or the file cannot be written.
    """
    if inventory.tasks is None:
        raise UserError(inventory.problem)
    written = []
    tasks = []
    total = 0
    for index, task in enumerate(inventory.tasks):
        groups = _groups(inventory, index, task)
        tasks.append((task, groups))
        total += sum(min(per_class, len(group)) for group in groups)
    with tqdm(total=total, unit="image", desc="preview", delay=1) as bar:
        for index, (task, groups) in enumerate(tasks):
            path = output
            if len(tasks) > 1:
                word = name_for_file(task.name, "_")
                path = output.with_name(f"{output.stem}-{index:02}-{word}{output.suffix}")
            title = f"{inventory.name}: {task.name}"
            rows = [
                (name, len(group), _spread(group, per_class))
                for name, group in zip(task.class_names, groups)
            ]
            inventory.unpack(list(itertools.chain(*(paths for _, _, paths in rows))))
            sheet = _sheet(title, rows, per_class, side, bar)
            with atomic_write(path) as temporary:
                sheet.save(temporary, format="PNG")
            written.append(path)
    return written


def listing(inventory: Inventory) -> list[str]:
    """The classes of each task, numbered as on its sheet, with the prompt that each stands in.

    Raises:
        UserError: the tasks are not known without a split.
    """
    if inventory.tasks is None:
        raise UserError(inventory.problem)
    lines = []
    for task in inventory.tasks:
        lines.append(f"{inventory.name}: {task.name}")
        lines += [
            f"{number:>5} {name}: {task.prompt(name)!r}"
            for number, name in enumerate(task.class_names, 1)
        ]
    return lines


def _groups(inventory: Inventory, index: int, task: Task) -> list[list[str]]:
    """Images of each class of the task of that index."""
    groups: list[list[str]] = [[] for _ in task.class_names]
    for image in inventory.images:
        if image.task == index:
            groups[image.label].append(image.path)
    return groups


def _sheet(
    title: str, rows: Sequence[tuple[str, int, list[str]]], per_class: int, side: int, bar: tqdm
) -> Image.Image:
    height = side + _GAP
    width = _NAME + per_class * (side + _GAP) + 4 * _GAP
    columns = -(-len(rows) // ROWS)
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * width + _GAP, lines * height + height // 2), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, "black", font_for(title, _LETTERS))
    for index, (name, count, paths) in enumerate(rows):
        left = index // lines * width + _GAP
        top = index % lines * height + height // 2
        # Numbered as in the listing: no font of the system may have the letters of the name.
        numbered = f"{index + 1} {name}"
        font = font_for(numbered + _CUT, _LETTERS)
        draw.text((left, top + side // 2 - 16), _fitted(numbered, font), "black", font)
        counted = f"{count:,} images"
        draw.text((left, top + side // 2 + 2), counted, "gray", font_for(counted, _LETTERS))
        for place, path in enumerate(paths):
            _paste(sheet, path, left + _NAME + place * (side + _GAP), top, side)
            bar.update()
    return sheet


def _fitted(name: str, font: Font) -> str:
    """``name``, or as much of its beginning as there is room for."""
    if font.getlength(name) <= _NAME - 2 * _GAP:
        return name
    while font.getlength(name + _CUT) > _NAME - 2 * _GAP:
        name = name[:-1]
    return name + _CUT


def _spread(group: list[str], count: int) -> list[str]:
    count = min(count, len(group))
    return [group[index * len(group) // count] for index in range(count)]


def _paste(sheet: Image.Image, path: str, left: int, top: int, side: int) -> None:
    """The whole picture in a square; a crossed box where it cannot be read."""
    try:
        picture = ImageOps.contain(read_image(path), (side, side))
        sheet.paste(
            picture, (left + (side - picture.width) // 2, top + (side - picture.height) // 2)
        )
    except ImageError:
        draw = ImageDraw.Draw(sheet)
        draw.rectangle((left, top, left + side - 1, top + side - 1), outline="red")
        draw.line((left, top, left + side - 1, top + side - 1), "red")
        draw.line((left, top + side - 1, left + side - 1, top), "red")
