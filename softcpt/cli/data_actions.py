"""What ``python -m softcpt data`` does: lists data sets, looks at what of them is on disk,
downloads, checks and shows them."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tabulate import tabulate

from softcpt.data.base import TaskDataset
from softcpt.data.catalog import CatalogEntry, catalogue, entries, expand, is_published
from softcpt.data.decode_check import unreadable
from softcpt.data.fetch import folder_of, get, is_unfinished
from softcpt.data.fetchers import ManualStepsError
from softcpt.data.inventory import Inventory, take_inventory
from softcpt.data.own_images import OwnDataset
from softcpt.data.preview import listing, sheets
from softcpt.data.summary import summary_of
from softcpt.engine.config import default_config
from softcpt.errors import UserError
from softcpt.features.images import default_workers
from softcpt.tasks import TaskSet


def _list(args: argparse.Namespace) -> int:
    known = catalogue()
    wanted = [CatalogEntry(name, kind, "") for name, kind in known.items() if is_published(kind)]
    if args.names:
        wanted = [entry for name in args.names for entry in expand(name, "", known)]
    rows = []
    for entry in wanted:
        found = summary_of(entry, default_config())
        rows.append((entry.name, *map(_number, found[:3]), found.licence or "-", found.origin))
    head = ("data set", "tasks", "classes", "images", "licence", "from")
    align = ("left", "right", "right", "right", "left", "left")
    print(
        tabulate(rows, head, disable_numparse=True, colalign=align, maxcolwidths=[None] * 5 + [60])
    )
    print(
        "\nImages of your own need no class: ImageFolder, CSV (docs/add-a-task.md). MultiTask "
        "merges any of these."
    )
    return 0


def _status(args: argparse.Namespace) -> int:
    found = [_look(entry) for entry in _entries(args)]
    print(_table(found, by_task=bool(args.names)))
    counts = Counter(inventory.state for inventory in found)
    print(
        "\n" + ", ".join(f"{counts[state]} {state}" for state in ("found", "incomplete", "missing"))
    )
    for inventory in found:
        if inventory.problem and not args.quiet and (args.names or inventory.state == "incomplete"):
            print(inventory.problem)
        if inventory.surplus and not args.quiet:
            print(inventory.surplus)
    return int(counts["incomplete"] > 0 or (bool(args.names) and counts["missing"] > 0))


def _get(args: argparse.Namespace) -> int:
    wanted = entries(args.names, args.root)
    status = 0
    for entry in wanted:
        if entry.embedded:
            print(f"{entry.name}: comes with softcpt, there is nothing to get")
        elif not issubclass(entry.kind, TaskDataset) or issubclass(entry.kind, OwnDataset):
            raise UserError(
                f"data set {entry.name}: nobody but you knows where it is from; put it at "
                f"{entry.root}"
            )
        else:
            status |= _get_one(entry, args.keep, args.again)
    return status


def _get_one(entry: CatalogEntry, keep: bool, again: bool) -> int:
    failures, inventory = _fetch(entry, keep, again)
    for failure in failures:
        print(f"{entry.name}: {failure}", file=sys.stderr)
        for number, step in enumerate(
            failure.steps if isinstance(failure, ManualStepsError) else (), 1
        ):
            print(f"  {number}. {step}", file=sys.stderr)
    if inventory.state == "found":
        print(
            f"{entry.name}: {len(inventory.files):,} images in {inventory.folder}, split: "
            f"{inventory.split}"
        )
        return int(bool(failures))
    problem = inventory.problem
    if failures:  # what helps is printed already, and it is not this command
        problem = problem.partition("; `python -m softcpt data get")[0]
    print(f"{entry.name}: {inventory.state} in {folder_of(entry)}, {problem}")
    return 1


def _fetch(entry: CatalogEntry, keep: bool, again: bool) -> tuple[list[UserError], Inventory]:
    """Get what is missing, then archives of which only a part is in place; what failed, and what
    there is now."""
    before = _look(entry)
    if before.state == "found" and not (again or is_unfinished(entry)):
        return [], before
    failures = get(entry, keep, again)
    after = _look(entry)
    if (
        after.in_part and len(after.images) == len(before.images) and not (again or failures)
    ):  # nothing was unpacked
        failures = get(entry, keep, refill=True)
        after = _look(entry)
    return failures, after


def _check(args: argparse.Namespace) -> int:
    status = 0
    workers = default_workers() if args.workers is None else args.workers
    for entry in _entries(args):
        inventory = _at_hand(_look(entry))
        paths = [path for path in inventory.files if os.path.exists(path)]
        bad = 0
        for problem in unreadable(paths, workers):
            bad += 1
            print(problem, flush=True)
        print(f"{entry.name}: {len(paths):,} images checked, {bad:,} of them cannot be read")
        if packed := len(inventory.files) - len(paths):
            print(
                f"{entry.name}: {packed:,} images lie in a packed file, from which a run takes "
                "those that it needs"
            )
        if inventory.problem:
            print(inventory.problem)
        status |= int(bad > 0 or inventory.state != "found")
    return status


def _preview(args: argparse.Namespace) -> int:
    wanted = _entries(args)
    if args.output and len(wanted) > 1:
        raise UserError(
            f"--output {args.output}: {len(wanted)} data sets; leave it out, or preview one at a "
            "time"
        )
    for entry in wanted:
        inventory = _at_hand(_look(entry))
        name = entry.name.replace(":", "-").replace("/", "-")
        print("\n".join(listing(inventory)))
        for path in sheets(
            inventory, args.output or Path(f"preview-{name}.png"), args.images, args.size
        ):
            print(path)
    return 0


def _entries(args: argparse.Namespace) -> list[CatalogEntry]:
    """The data sets asked for, in a root that is there."""
    wanted = entries(args.names, args.root)
    if args.root and not Path(args.root).expanduser().exists():
        raise UserError(
            f"--root {args.root}: no such folder; give the folder that holds the data sets"
        )
    return wanted


def _look(entry: CatalogEntry) -> Inventory:
    return take_inventory(entry, default_config())


def _at_hand(inventory: Inventory) -> Inventory:
    if inventory.state == "missing":
        raise UserError(inventory.problem)
    return inventory


def _table(found: Iterable[Inventory], by_task: bool) -> str:
    rows: list[Sequence[str]] = []
    for one in found:
        classes = _number(one.tasks.num_classes if one.tasks else None)
        rows.append(
            (
                one.name,
                one.state,
                _number(len(one.files)),
                _number(one.expected),
                classes,
                one.split,
            )
        )
        if by_task and one.tasks and len(one.tasks) > 1:
            rows += _task_rows(one, one.tasks)
    head = ("data set", "state", "images", "expected", "classes", "split")
    align = ("left", "left", "right", "right", "right", "left")
    return str(tabulate(rows, head, disable_numparse=True, colalign=align))


def _task_rows(inventory: Inventory, tasks: TaskSet) -> list[Sequence[str]]:
    there = Counter(image.task for image in inventory.images)
    rows: list[Sequence[str]] = []
    for index, task in enumerate(tasks):
        state = "found"
        if not there[index]:
            state = "missing"
        elif there[index] < inventory.wanted[index]:
            state = "incomplete"
        counts = map(_number, (there[index], inventory.wanted[index], len(task.class_names)))
        rows.append((f"- task {index}: {task.name}", state, *counts, ""))
    return rows


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


ACTIONS = {"list": _list, "status": _status, "get": _get, "check": _check, "preview": _preview}
