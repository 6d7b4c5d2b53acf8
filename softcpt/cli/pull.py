"""``python -m softcpt pull``: downloads a trained prompt from the Hugging Face hub."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to ``parser``."""
    parser.add_argument(
        "repository", metavar="USER/NAME", help="@<branch, tag or commit> behind it: that one"
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the files shall be")


def main(args: argparse.Namespace) -> None:
    """Do what ``args`` (of :func:`add_arguments`) say."""
    from softcpt.artefacts.hub import download

    print(f"saved {download(args.repository, args.folder)}")
