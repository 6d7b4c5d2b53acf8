"""``python -m softcpt inspect``: looks inside a trained prompt."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from softcpt.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to ``parser``."""
    add = parser.add_argument
    add("artefact", metavar="ARTEFACT", help="folder of a trained prompt, or of a run of train.py")
    add(
        "--to",
        type=Path,
        default=Path("inspect"),
        metavar="FOLDER",
        help="where the page, its pictures and tables go (default: %(default)s)",
    )
    add("--run", type=Path, help="the run that left the artefact, if it is not beside it")
    add("--root", type=Path, help="where the data sets lie, for example images")
    add("--words", type=int, default=5, help="nearest words of a context vector (default: 5)")
    add(
        "--backbone",
        help="name or weights file of the CLIP model that the prompt was trained on, where it is "
        "not found by itself",
    )
    add("--device", help="cpu, cuda, cuda:1, ... (default: cuda if there is one)")


def main(args: argparse.Namespace) -> int:
    """Do what ``args`` (of :func:`add_arguments`) say; 0."""
    if args.words < 3:
        raise UserError(f"inspect: --words {args.words}: give 3 or more")
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("inspect: matplotlib is missing; pip install matplotlib")

    from softcpt.report.inspection.inspection import inspect, write_inspection
    from softcpt.report.inspection.pages import printed

    found = inspect(args.artefact, args.run, args.root, args.words, args.backbone, args.device)
    print(f"{found.about}\n")
    for line in printed(found.parts):
        print(line)
    written = write_inspection(found, args.to)
    print(f"\nread {written[0]} ({len(written)} files in {args.to})")
    return 0
