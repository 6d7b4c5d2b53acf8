"""``python -m softcpt export``: writes what was trained for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

PUBLISHED = "published"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to ``parser``."""
    from softcpt.artefacts.exports import KINDS

    kinds = "; ".join(f"{kind}: {text}" for kind, (_, text) in KINDS.items())
    parser.add_argument(
        "artefact",
        metavar="ARTEFACT",
        help="folder of an artefact, output folder of a run, or hf:<user>/<name>",
    )
    parser.add_argument("path", type=Path, metavar="OUT", help="the file to write")
    parser.add_argument(
        "--to",
        default=PUBLISHED,
        choices=[PUBLISHED, *KINDS],
        help="published (default): every prompt that a run kept, in a folder that CoOp's and "
        f"SoftCPT's published code takes as --model-dir; {kinds}",
    )
    parser.add_argument(
        "--model",
        default="",
        help="what open_clip (<model>/<weights>) or transformers (a repository or folder) calls "
        "the backbone, where it cannot be found out",
    )
    parser.add_argument(
        "--backbone", help="name or path of the backbone, where the artefact's own is not found"
    )


def main(args: argparse.Namespace) -> None:
    """Do what ``args`` (of :func:`add_arguments`) say."""
    if args.to == PUBLISHED:
        _published(args)
        return
    from softcpt.artefacts.load_prompt import load_prompt

    # What is exported computes in fp32, and is compared on the CPU.
    adapted = load_prompt(args.artefact, args.backbone, device="cpu", precision="fp32")
    exported = adapted.export(args.to, args.path, model=args.model)
    for path in exported.files:
        print(f"saved {path}")
    if exported.checked:
        print(exported.checked)


def _published(args: argparse.Namespace) -> None:
    from softcpt.artefacts.exports.published import export
    from softcpt.errors import UserError

    if args.model or args.backbone:
        raise UserError(
            "export: --model and --backbone are of other kinds of export; choose one with --to"
        )
    for path in export(args.artefact, args.path):
        print(f"saved {path}")
