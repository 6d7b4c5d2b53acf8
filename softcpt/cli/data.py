"""``python -m softcpt data list|status|get|check|preview``: its flags; what they ask for is done in
data_actions.py beside this, which imports torch."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options to ``parser``."""
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="list|status|get|check|preview"
    )
    text = "data sets, or all: classes, tasks, images, licence, and where they are from"
    listed = actions.add_parser("list", help=text, description=text)
    listed.add_argument(
        "names", nargs="*", metavar="NAME", help="data set; a merged one for all its members"
    )
    status = _action(
        actions,
        "status",
        "what is on disk; exit status 1 if a data set named here is not whole, or, "
        "with none named, if one is there in part",
        "*",
    )
    status.add_argument("--quiet", action="store_true", help="the table alone, not what helps")
    fetch = _action(actions, "get", "download and unpack, or print what is to be done by hand", "+")
    fetch.add_argument("--keep", action="store_true", help="keep the archives that were downloaded")
    fetch.add_argument("--again", action="store_true", help="download what is in place once more")
    check = _action(
        actions, "check", "decode every image; status 1 if one is missing or cannot be read", "+"
    )
    check.add_argument(
        "--workers", type=_count, help="processes (default: one fewer than cores, 1 to 8)"
    )
    preview = _action(actions, "preview", "a contact sheet for each task", "+")
    preview.add_argument(
        "-o", "--output", type=Path, help="the PNG file (default: preview-NAME.png)"
    )
    preview.add_argument(
        "--images", type=_positive, default=6, help="per class (default: %(default)s)"
    )
    preview.add_argument(
        "--size", type=_positive, default=72, help="of a picture in pixels (default: %(default)s)"
    )


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, count: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text)
    parser.add_argument(
        "names",
        nargs=count,
        metavar="NAME",
        help="data set; a merged one for all its members; NAME:FOLDER for one in a folder of its "
        "own; a folder, archive or table of your own images",
    )
    parser.add_argument(
        "--root", default="", metavar="DATA", help="folder that holds, or is to hold, the data sets"
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0")
    return int(text)


def _positive(text: str) -> int:
    if not _count(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def main(args: argparse.Namespace) -> int:
    """Do what ``args`` (of :func:`add_arguments`) say; 0 when all is well."""
    from softcpt.cli.data_actions import ACTIONS

    return ACTIONS[args.action](args)
