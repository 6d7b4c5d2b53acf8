"""``python -m softcpt predict``: classifies images with a trained prompt."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from softcpt.errors import UserError

if TYPE_CHECKING:
    from softcpt.artefacts.adapted import AdaptedClip
    from softcpt.artefacts.prediction import Entry

FORMATS = ("table", "json", "csv")
ORDERS = ("none", "probability", "label")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to ``parser``."""
    parser.add_argument(
        "artefact", metavar="ARTEFACT", help="folder of a trained prompt, or of a run of train.py"
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE_OR_FOLDER",
        help="image files, and folders whose images at any depth are taken",
    )
    parser.add_argument(
        "--task",
        help="the task whose classes are compared; all: each task's; auto: the task is guessed for "
        "each image, as that of the class that is best over all tasks (needed with several tasks)",
    )
    parser.add_argument(
        "--top", type=int, default=1, help="how many classes of an image (default: %(default)s)"
    )
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: %(default)s")
    parser.add_argument("--output", type=Path, help="file to write, in place of the terminal")
    parser.add_argument(
        "--sort",
        choices=ORDERS,
        default="none",
        help="none: images as they are given, each written when it is classified; probability: the "
        "least sure last; label: by class. Sorted ones are written at the end (default: none)",
    )
    parser.add_argument(
        "--backbone",
        help="name or weights file of the CLIP model that the prompt was trained on, where it is "
        "not found by itself",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: cuda if there is one)")
    parser.add_argument("--batch-size", type=int, help="images that are encoded at once")
    parser.add_argument("--workers", type=int, help="processes that decode images")


def main(args: argparse.Namespace) -> int:
    """Do what ``args`` (of :func:`add_arguments`) say; 1 if no image could be read."""
    if args.top < 1 or (args.batch_size or 1) < 1 or (args.workers or 0) < 0:
        raise UserError("predict: --top and --batch-size are 1 or more, --workers 0 or more")
    paths = list(_paths_of(args.images))

    from softcpt.artefacts.load_prompt import load_prompt

    adapted = load_prompt(args.artefact, args.backbone, args.device)
    entries = adapted.predict_stream(paths, args.task, args.top, args.batch_size, args.workers)
    with ExitStack() as files:
        if args.output is None:
            file: TextIO = sys.stdout
        else:
            from softcpt.utils.files import atomic_write

            temporary = files.enter_context(atomic_write(args.output))
            file = files.enter_context(open(temporary, "w", encoding="utf-8", newline=""))
        try:
            failed = _write(args, adapted, paths, entries, file)
        except BrokenPipeError:  # `| head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
    if failed:
        print(f"{failed:,} of {len(paths):,} images could not be read", file=sys.stderr)
    return int(failed == len(paths))


def _write(
    args: argparse.Namespace,
    adapted: AdaptedClip,
    paths: list[str],
    entries: Iterable[Entry],
    file: TextIO,
) -> int:
    """Write all entries with a progress bar; returns how many images could not be read."""
    from tqdm import tqdm

    from softcpt.artefacts.prediction import AUTO, Failed
    from softcpt.artefacts.prediction_formats import WRITERS
    from softcpt.tasks import TaskSet

    # A bar among the rows would garble both.
    hidden = {"disable": True} if args.output is None and sys.stdout.isatty() else {}
    tasks, guessed = adapted.tasks, args.task == AUTO and AUTO not in adapted.tasks.names
    if args.task in tasks.names:
        tasks = TaskSet([tasks[tasks.names.index(args.task)]])
    writer = WRITERS[args.format](file, paths, tasks, guessed)
    bar = tqdm(zip(paths, entries, strict=True), "images", len(paths), unit=" images", **hidden)
    failed = 0
    with bar:
        rows: Iterable[tuple[str, Entry]] = bar
        if args.sort != "none":
            rows = sorted(bar, key=lambda row: _place(args.sort, row[1]))
        writer.begin()
        for path, entry in rows:
            failed += isinstance(entry, Failed)
            writer.row(path, entry)
        writer.end()
    file.flush()
    return failed


def _place(order: str, entry: Entry) -> tuple[int, str, float]:
    """Where an image stands in the ``order``; those that could not be read are last."""
    from softcpt.artefacts.prediction import Failed

    if isinstance(entry, Failed):
        return 1, "", 0
    best = entry[0] if isinstance(entry, list) else entry
    label = f"{best.task}\n{best.label}" if order == "label" else ""
    return 0, label, -best.probability


def _paths_of(given: Iterable[str]) -> Iterator[str]:
    """The files, and the images at any depth in the folders.

    Raises:
        UserError: a path does not exist, or a folder has no images.
    """
    from softcpt.data.image_files import scan

    def inside(folder: str) -> Iterator[str]:
        folders, images = scan(folder)
        yield from (os.path.join(folder, name) for name in images)
        for name in folders:
            yield from inside(os.path.join(folder, name))

    for path in given:
        if not os.path.isdir(path):
            yield path
            continue
        found = False
        for image in inside(path):
            found = True
            yield image
        if not found:
            raise UserError(f"{path}: no images there (.jpg, .png, ...); give another folder")
