"""``python -m softcpt push``: uploads a trained prompt to the Hugging Face hub."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to ``parser``."""
    parser.add_argument(
        "artefact", metavar="ARTEFACT", help="folder of an artefact, or output folder of a run"
    )
    parser.add_argument("repository", metavar="USER/NAME", help="made if there is none")
    parser.add_argument("--private", action="store_true", help="a new one is seen by you alone")
    parser.add_argument("--message", default="", help="of the commit")


def main(args: argparse.Namespace) -> None:
    """Do what ``args`` (of :func:`add_arguments`) say."""
    from softcpt.artefacts.hub import push_to_hub

    page = push_to_hub(args.artefact, args.repository, args.private, args.message)
    print(f"uploaded to {page}")
