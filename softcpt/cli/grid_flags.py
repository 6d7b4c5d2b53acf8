"""The flags of ``softcpt grid``, and what the grid file says with their values in it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace

from softcpt.cli.file_or_name import file_and_pairs, names_of
from softcpt.engine.images_flag import IMAGES_FLAGS
from softcpt.errors import UserError
from softcpt.grid.grid_file import Grid, GridEntry, images_entry, named_entries, read_grid
from softcpt.grid.launchers import LAUNCHERS

# Flags that stand for the grid file's keys as they are.
_AS_GIVEN = ("config", "output", "layout", "root", "workers", "base_to_new")
# Where KEY VALUE pairs begin behind a flag that takes a list.
_KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)+$")


def parser() -> argparse.ArgumentParser:
    """The command's flags. Those of the grid replace what the grid file says."""
    flags = argparse.ArgumentParser(
        "softcpt grid",
        description="Run methods x data x backbones x shots x seeds, or what is left of them.",
        usage="softcpt grid [GRID] [flags] [KEY VALUE ...]",
        epilog="KEY VALUE pairs are settings of all jobs (train.py --show-config lists them). "
        "docs/grid.md has more.",
    )
    add = flags.add_argument
    add(
        "words",
        nargs="*",
        metavar="GRID KEY VALUE",
        help=f"a grid file (.yaml), or one of {names_of('grid file')}; settings of all jobs, as "
        "OPTIM.LR 0.01",
    )
    add_launch_flags(flags)
    grid = flags.add_argument_group("in place of the grid file's keys")
    for name, alias, text in (
        ("--methods", "--trainers", "trainers, or methods by name (SoftCPT-NATS)"),
        ("--data", "--dataset-config-file", "data sets by name, or configuration files"),
        ("--backbones", "--backbone", "names of CLIP models (default: the configuration's)"),
        ("--shots", "--num-shots", "images per class"),
        ("--seeds", "--seed", "seeds"),
    ):
        grid.add_argument(name, alias, nargs="+", action=_List, help=text)
    for name, metavar, text in IMAGES_FLAGS:
        grid.add_argument(name, nargs="+", action=_List, metavar=metavar, help=text)
    grid.add_argument(
        "--config", "--config-file", help="name in configs/trainers/<trainer> or /shared, or a file"
    )
    grid.add_argument("--output", help="folder of all runs (default: output)")
    grid.add_argument(
        "--layout",
        help="a run's folder below it, as {data}/{method}/{config}_{shots}shots/seed{seed}",
    )
    grid.add_argument("--root", help="folder of all data sets")
    grid.add_argument(
        "--base-to-new",
        action="store_true",
        default=None,
        help="train on the first half of each task's classes, then test on the others",
    )
    return flags


def add_launch_flags(flags: argparse.ArgumentParser) -> None:
    """How jobs are run."""
    add = flags.add_argument
    add(
        "--launcher",
        choices=tuple(LAUNCHERS),
        default="local",
        help="where jobs run (default: local, on this machine)",
    )
    add("--workers", type=int, help="jobs at a time (default: one per GPU, or one)")
    add(
        "--attempts",
        type=int,
        default=3,
        help="how often a job is tried whose worker dies (default: 3)",
    )
    add(
        "--list",
        "--dry-run",
        action="store_true",
        dest="only_list",
        help="show all jobs, and run none",
    )
    add("--debug", action="store_true", help="show the traceback of errors")


class _List(argparse.Action):
    """A list that ends where a KEY begins: what follows is for KEY VALUE pairs."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[str] | None,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
        words = [values] if isinstance(values, str) else list(values or ())
        end = next((place for place, word in enumerate(words) if _KEY.match(word)), len(words))
        setattr(namespace, self.dest, words[:end])
        namespace.behind = [*getattr(namespace, "behind", []), *words[end:]]


def grid_and_pairs(args: argparse.Namespace) -> tuple[Grid, list[str]]:
    """The grid file with the flags' values in the place of its own, and the KEY VALUE pairs."""
    file, pairs = file_and_pairs([*args.words, *getattr(args, "behind", [])], "grid file")
    grid = read_grid(file) if file else Grid()
    given = {name: getattr(args, name) for name in _AS_GIVEN}
    given["backbones"] = None if args.backbones is None else tuple(args.backbones)
    for name in ("shots", "seeds"):
        words = getattr(args, name)
        given[name] = None if words is None else tuple(_number(word, name) for word in words)
    if args.methods is not None:
        own = {entry.name: entry for entry in grid.methods}
        given["methods"] = tuple(
            own.get(entry.name, entry) for entry in named_entries(args.methods)
        )
    given["data"] = _data(args)
    return replace(
        grid, **{name: value for name, value in given.items() if value is not None}
    ), pairs


def _data(args: argparse.Namespace) -> tuple[GridEntry, ...] | None:
    """What --data and --images say together; None: neither is given."""
    if args.task_names and not args.images:
        raise UserError("--task-names: it names the tasks of --images, and there are none")
    entries = () if args.data is None else named_entries(args.data)
    if args.images:
        entries += (images_entry(args.images, args.task_names or ()),)
    return entries or None


def _number(value: str, name: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise UserError(
            f"--{name}: '{value}' is no whole number; give some, as in --{name} 1 2 4"
        ) from None
