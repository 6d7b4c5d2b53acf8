"""``python -m softcpt features list|rm|verify``: lists, removes and checks the bank's entries."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from filelock import Timeout

from softcpt.errors import UserError
from softcpt.features.block_file import BlockFile
from softcpt.features.entries import default_folder, entry_lock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options to ``parser``."""
    parser.add_argument(
        "--folder", type=Path, default=default_folder(), help="of the bank (default: %(default)s)"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|rm|verify")
    actions.add_parser("list", aliases=["ls"], help="list the entries")
    remove = actions.add_parser("rm", help="remove entries")
    which = remove.add_mutually_exclusive_group(required=True)
    which.add_argument("key", nargs="?", help="of one entry, or the beginning of it")
    which.add_argument("--all", action="store_true", help="every entry")
    actions.add_parser("verify", help="check every entry's bytes against its checksums")


def main(args: argparse.Namespace) -> int:
    """Do what ``args`` (of :func:`add_arguments`) say; 0 when all is well, 1 when ``verify`` found
    damage."""
    if args.folder.exists() and not args.folder.is_dir():
        raise UserError(f"--folder {args.folder}: no folder; give that of a feature bank")
    entries = [BlockFile(path.parent) for path in sorted(args.folder.glob("*/meta.json"))]
    if args.action == "verify":
        return _verify(entries)
    if args.action == "rm":
        for entry in entries if args.all else [_find(entries, args.key, args.folder)]:
            _remove(entry)
    else:
        _list(entries)
    return 0


def _list(entries: list[BlockFile]) -> None:
    head = ("key", "model", "kind", "images", "view", "size", "built")
    rows = [head, *map(_describe, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    total = sum(entry.nbytes for entry in entries if entry.meta)
    print(f"{len(entries)} entries, {total / 1e6:.1f} MB")


def _describe(entry: BlockFile) -> tuple[str, ...]:
    meta, key = entry.meta, entry.folder.name[:12]
    if not meta:
        return key, "?", "?", "?", "?", "?", "meta.json is damaged"
    built = meta.get("built")
    if entry.pending:
        built = f"{entry.rows_written / entry.count:.0%} of it"
    return (
        key,
        str(meta.get("name") or "?"),
        str(meta.get("kind") or "?"),
        str(entry.count),
        str(meta.get("view", "-")),
        f"{entry.nbytes / 1e6:.1f} MB",
        str(built or "?"),
    )


def _find(entries: list[BlockFile], key: str, folder: Path) -> BlockFile:
    found = [entry for entry in entries if key and entry.folder.name.startswith(key)]
    if len(found) != 1:
        raise UserError(
            f"features {key!r}: {len(found)} entries of {folder} begin so; name one as `features "
            "list` shows it"
        )
    return found[0]


def _remove(entry: BlockFile) -> None:
    try:
        with entry_lock(entry.folder).acquire(timeout=0):
            shutil.rmtree(entry.folder)
    except Timeout:
        raise UserError(
            f"features {entry.folder.name}: being built by a process; stop that first"
        ) from None
    print(f"removed {entry.folder.name}")


def _verify(entries: list[BlockFile]) -> int:
    status = 0
    for entry in entries:
        damaged = len(list(entry.corrupt())) if entry.meta else "all"
        if damaged:
            status = 1
            print(
                f"{entry.folder.name}  damaged: {damaged} of {len(entry.meta.get('blocks', []))} "
                "blocks"
            )
        else:
            print(f"{entry.folder.name}  {'unfinished, whole so far' if entry.pending else 'ok'}")
    return status
