"""``--images FOLDER [FOLDER ...]``: your own images as one task, or as several."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from softcpt.data.own_files import archive_stem
from softcpt.data.own_places import own_place, own_reader, same_names
from softcpt.errors import UserError

_KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)+|SEED|USE_\w+|OUTPUT_DIR|RESUME|VERBOSE")


# Name of a flag, what stands for a word behind it, and its help; of train.py and of the grid.
IMAGES_FLAGS = (
    (
        "--images",
        "FOLDER",
        "your own images: folders class/image, archives of such, or CSV files; each is a task",
    ),
    (
        "--task-names",
        "NAME",
        "what their pictures are of (default: the folders' names, or their task_name.txt)",
    ),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--images`` and ``--task-names``."""
    for name, metavar, text in IMAGES_FLAGS:
        parser.add_argument(name, nargs="+", metavar=metavar, help=text)


def give_back_pairs(args: argparse.Namespace) -> None:
    """Move KEY VALUE pairs that argparse took for more folders to where they belong."""
    for flag in ("images", "task_names"):
        given = getattr(args, flag, None) or []
        for index, word in enumerate(given):
            if _KEY.fullmatch(word) and not Path(word).exists():
                args.opts = [*given[index:], *args.opts]
                setattr(args, flag, given[:index] or None)
                break


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Key -> value of the configuration that ``--images`` stands for; empty: it was not given.

    Raises:
        UserError: one is no folder, archive or table, the names do not fit, or another data set is
            named too.
    """
    if not args.images:
        if args.task_names:
            raise UserError(
                "--task-names: it names the tasks of --images, and there are none; a data set's "
                "task is called with DATASET.TASK_NAME"
            )
        return {}
    other = next((key for key in args.opts[::2] if key in _INSTEAD), None)
    for flag in ("root", "dataset_config_file", "dataset"):
        if getattr(args, flag, ""):
            other = f"--{flag.replace('_', '-')}"
    if other:
        raise UserError(f"--images: it says which data set, and so does {other}; give one of them")
    places = [own_place(given, "--images") for given in args.images]
    names = _names(places, args.task_names or [])
    if len(places) == 1:
        [place], [name] = places, names
        return {
            "DATASET.NAME": own_reader(place),
            "DATASET.ROOT": str(place),
            **({"DATASET.TASK_NAME": name} if name else {}),
        }
    # Below a root, so that a run does not depend on where the folders lie.
    root = os.path.commonpath([place.parent for place in places])
    tasks = [f"{own_reader(place)}:{place.relative_to(root)}" for place in places]
    return {
        "DATASET.NAME": "MultiTask",
        "DATASET.ROOT": root,
        "DATASET.TASKS": tuple(tasks),
        "DATASET.TASK_NAMES": tuple(names) if any(names) else (),
    }


_INSTEAD = ("DATASET.NAME", "DATASET.ROOT", "DATASET.TASKS", "DATASET.TASK_NAMES")


def name_in_output(images: Sequence[str]) -> str:
    """What a run's output folder calls these images: "my_flowers+my_pets"."""
    return "+".join(archive_stem(Path(given)) or Path(given).stem for given in images)[:80]


def _names(places: Sequence[Path], given: Sequence[str]) -> list[str]:
    """A task's name for each place, "" for its own."""
    if given and len(given) != len(places):
        raise UserError(
            f"--task-names: {len(given)} for {len(places)} folders; give one for each, in quotes "
            "if it has blanks"
        )
    if given:
        return list(given)
    twice = same_names(places)
    for name, count in twice.items():
        raise UserError(
            f"--images: {count} folders are called '{name}', and so would their tasks be; give "
            "--task-names, one for each"
        )
    return [""] * len(places)
