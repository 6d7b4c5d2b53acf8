"""``python -m softcpt average``: writes the mean of several runs' prompts."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to ``parser``."""
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN_FOLDER",
        help="output folders of training runs, or one folder with them as seed1, seed2, ...",
    )
    parser.add_argument(
        "--output-dir", type=Path, help="folder of the mean (default: the one that the runs are in)"
    )
    parser.add_argument(
        "--load-epoch",
        type=int,
        help="epoch of the prompts (default: best on validation, else last)",
    )


def main(args: argparse.Namespace) -> None:
    """Do what ``args`` (of :func:`add_arguments`) say."""
    from softcpt.artefacts.average import average

    runs = args.runs
    if len(runs) == 1:
        runs = sorted(runs[0].glob("seed*/")) or runs
    path = average(runs, args.output_dir or runs[0].absolute().parent, args.load_epoch)
    print(f"saved {path}, the mean of {len(runs)} prompts: {', '.join(str(run) for run in runs)}")
