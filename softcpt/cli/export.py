"""``python -m softcpt export``: writes a run's prompts in the layout that published codes load."""

from __future__ import annotations

import argparse
from pathlib import Path

from softcpt.artefacts.export import export


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to ``parser``."""
    parser.add_argument(
        "run", type=Path, metavar="RUN_FOLDER", help="output folder of a training run"
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="OUT_FOLDER",
        help="what the published code gets as --model-dir",
    )


def main(args: argparse.Namespace) -> None:
    """Do what ``args`` (of :func:`add_arguments`) say."""
    for path in export(args.run, args.folder):
        print(f"saved {path}")
