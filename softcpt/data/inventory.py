"""Looks at what is on disk of a data set, without drawing or writing anything."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from softcpt.data.base import TaskDataset
from softcpt.data.catalog import CatalogEntry
from softcpt.data.image_files import scan
from softcpt.data.own_images import OwnDataset
from softcpt.data.split import Item, Split
from softcpt.errors import UserError, named_reason_of, reason_of
from softcpt.features.images import LFS_POINTER
from softcpt.tasks import Task, TaskSet

# Share of the images that may be missing where no published split names them: such data sets change
# a little over time.
TOLERANCE = 0.05


class FoundImage(NamedTuple):
    """An image on disk: its file, task and class inside the task. Where it lies in a pack, the file
    is yet to come."""

    path: str
    task: int
    label: int


@dataclass(frozen=True)
class Inventory:
    """What there is of a data set.

    Attributes:
        name: the data set's.
        folder: its folder; None: there is none.
        images: those of its split that are on disk, of several tasks one for each; without a split,
            all image files, as task 0 and class 0.
        expected: how many there should be; None: not known.
        split: where the split is from, or what there is in its place.
        problem: what is wrong and what helps, in one line; "": nothing.
        surplus: what there is too much of, in one line; "": nothing. It is no harm.
        tasks: its tasks; None: not known without a split.
        wanted: images of the split by task.
        in_part: whether images are missing, or lists that come with them.
        unpack: brings images to their files that a publisher packs into one
            (:mod:`softcpt.data.packed_images`).
    """

    name: str
    folder: Path | None = None
    images: list[FoundImage] = field(default_factory=list)
    expected: int | None = None
    split: str = "-"
    problem: str = ""
    surplus: str = ""
    tasks: TaskSet | None = None
    wanted: Counter[int] = field(default_factory=Counter)
    in_part: bool = False
    unpack: Callable[[Sequence[str]], None] = lambda _: None

    @property
    def files(self) -> list[str]:
        """The files of :attr:`images`, each once."""
        return list(dict.fromkeys(image.path for image in self.images))

    @property
    def state(self) -> str:
        """One of "found", "incomplete" and "missing"."""
        if not self.images:
            return "missing"
        return "incomplete" if self.problem else "found"


def take_inventory(entry: CatalogEntry, defaults: Any) -> Inventory:
    """Look at the disk for the data set of ``entry``.

    Args:
        entry: the data set.
        defaults: the configuration with all keys at their defaults.

    Raises:
        UserError: a folder of it cannot be listed.
    """
    try:
        cfg = _settings(entry, defaults)
        if issubclass(entry.kind, TaskDataset):
            found = _of_folder(entry, entry.kind, cfg)
        else:
            found = _of_records(entry, cfg)
        pointers = pointers_among([image.path for image in found.images])
        if pointers:
            problem = (
                f"data set {entry.name}: {pointers}; `git lfs pull` in {found.folder} fetches them"
            )
            return replace(found, problem=problem, in_part=True)
        return found
    except OSError as error:
        where = f"{error.filename} cannot be listed ({error.strerror})"
        raise UserError(f"data set {entry.name}: {where}; give yourself access") from error


def _settings(entry: CatalogEntry, defaults: Any) -> Any:
    """A configuration that asks for all images of ``entry`` and for nothing to be written or
    printed."""
    cfg = defaults.clone()
    cfg.defrost()
    cfg.VERBOSE = False
    cfg.DATASET.NAME = entry.name.partition(":")[0]
    cfg.DATASET.ROOT = entry.root
    cfg.DATASET.NUM_SHOTS = -1
    cfg.freeze()
    return cfg


def all_image_files(folder: Path) -> list[str]:
    """Paths of all image files at any depth of ``folder``, sorted folder by folder."""
    folders, images = scan(folder) if folder.is_dir() else ([], [])
    found = [os.path.join(folder, name) for name in images]
    for name in folders:
        found += all_image_files(folder / name)
    return found


def pointers_among(paths: Sequence[str], most: int = 200) -> str:
    """That files are Git LFS pointers in place of images, of ``most`` that are looked at; "": none
    is."""
    looked_at = paths[:: max(1, len(paths) // most)]
    first, count = "", 0
    for path in looked_at:
        # Packed images are yet to come; what cannot be read is said when images are decoded. A pipe
        # would be waited for.
        if not os.path.isfile(path):
            continue
        with suppress(OSError), open(path, "rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                first, count = first or path, count + 1
    if not count:
        return ""
    return (
        f"{count} of {len(looked_at)} files looked at are Git LFS pointers in place of images, the "
        f"first is {first}"
    )


def _surplus(dataset: TaskDataset, items: Sequence[Item], found: int) -> str:
    """That class folders hold images that are not in the split of these images."""
    if isinstance(dataset, OwnDataset) or dataset.rule != "ratio":
        return ""
    try:
        pools = list(dataset.pools(dataset.folder, dataset.image_folder(dataset.folder)))
    except Exception:  # noqa: BLE001 (what is wrong with it is said already)
        return ""
    known = {item.path for item in items}
    here: set[str] = set()
    for pool in pools:
        here.update(path for path, _, _ in pool.rows)
    # A split file whose paths begin elsewhere says nothing of these.
    more = sorted(here - known) if len(here) > len(known) and here & known else []
    expected = dataset.expected_images()
    if more:
        return (
            f"data set {dataset.name()}: {len(more):,} images more than its split has, which no "
            f"run uses; the first is {more[0]}"
        )
    if expected is not None and found > expected:
        return (
            f"data set {dataset.name()}: {found:,} images where {expected:,} were published; "
            "look for copies"
        )
    return ""


def _of_folder(entry: CatalogEntry, kind: type[TaskDataset], cfg: Any) -> Inventory:
    expected = kind.expected_images()
    try:
        folder = kind.find_folder(entry.root)
    except UserError as error:
        return Inventory(entry.name, expected=expected, problem=str(error))
    dataset = kind.unread(cfg, folder)
    split, source, problem = _read_split(dataset)
    try:
        tasks, items = _chosen(dataset, split) if split else (None, [])
    except UserError as error:  # its names do not fit the split
        split, source, problem = None, "unreadable", str(error)
    if split is None:
        images = [FoundImage(path, 0, 0) for path in all_image_files(kind.image_folder(folder))]
        besides = _besides(len(images), expected)
        # Without these no split could be made.
        in_part = bool(besides) or kind.rule == "official" or source == "none"
        return Inventory(
            entry.name, folder, images, expected, source, problem + besides, in_part=in_part
        )
    places = dataset.places([item.path for item in items])
    images = [
        FoundImage(place, item.task, item.label)
        for item, place in zip(items, places)
        if place is not None
    ]
    listed = source == split.source  # rather than what happens to lie there
    if (listed and not (kind.rule == "official" and expected)) or issubclass(kind, OwnDataset):
        expected = len({item.path for item in items})
    there = len({item.path for item, place in zip(items, places) if place is not None})
    in_part = there < (expected or 0) * (1.0 if listed else 1 - TOLERANCE)
    if problem:
        problem += _besides(there, expected)
    elif in_part:
        problem = _missing(dataset, items, places, expected or 0)
    wanted = Counter(item.task for item in items)
    return Inventory(
        entry.name,
        folder,
        images,
        expected,
        source,
        problem,
        _surplus(dataset, items, there),
        tasks,
        wanted,
        in_part,
        dataset.unpack,
    )


def _chosen(dataset: TaskDataset, split: Split) -> tuple[TaskSet, list[Item]]:
    """The tasks of a data set and their images, each once, or of a table with a column for each
    task once in each; of one that is a task of a larger set, that task's."""
    tasks = dataset.make_tasks(split)
    items = list(
        {
            (item.path, item.task if dataset.joins_tasks else 0): item
            for item in (*split.train, *split.val, *split.test)
        }.values()
    )
    which = dataset.chosen_tasks()
    if which == "all":
        return tasks, items
    index = int(which.removeprefix("task"))
    return TaskSet([tasks[index]]), [item._replace(task=0) for item in items if item.task == index]


def _besides(found: int, expected: int | None) -> str:
    """An addition to what is wrong: that images are missing, too."""
    if expected is None or found >= expected * (1 - TOLERANCE):
        return ""
    return f"; besides, {found:,} of {expected:,} images are there"


def _missing(
    dataset: TaskDataset, items: list[Item], places: list[str | None], expected: int
) -> str:
    first = next((item.path for item, place in zip(items, places) if place is None), "")
    there = {item.path for item, place in zip(items, places) if place is not None}
    lacking = expected - len(there)
    which = f", the first is {first}" if first else ""
    return (
        f"data set {dataset.name()}: {lacking:,} of {expected:,} images are not in "
        f"{dataset.image_folder(dataset.folder)}{which}; {dataset.advice}"
    )


def _read_split(dataset: TaskDataset) -> tuple[Split | None, str, str]:
    """The split, where it is from, and what is wrong with it; without a split file, the images as
    they lie there."""
    try:
        if isinstance(dataset, OwnDataset):
            rows = list(dataset.labelled(dataset.folder))
            if not rows:
                problem = f"data set {dataset.name()}: no images in {dataset.folder}"
                return None, "none", f"{problem}; {dataset.advice}"
            undivided = [row._replace(part="train") for row in rows]
            return dataset.as_split(undivided), "as on disk", ""
        split = dataset.read_or_draw(dataset.folder)
        return split, split.source, ""
    except Exception as error:  # noqa: BLE001 (half a data set makes its reader raise anything)
        problem = _one_line(dataset, error)
    if dataset.rule == "official" or isinstance(dataset, OwnDataset):
        return None, "unreadable", problem
    if dataset.find_split(dataset.folder):
        return None, "unreadable", problem
    published = any(source.file in dataset.split_files for source in dataset.sources)
    try:
        split = dataset.make_split(dataset.folder)
    except Exception as error:  # noqa: BLE001 (the same)
        return None, "none", problem if published else _one_line(dataset, error)
    if published:
        return split, "none", problem
    return split, "none yet: --draw-split", ""


def _one_line(dataset: TaskDataset, error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    reason = f"{dataset.folder} cannot be read ({named_reason_of(error)})"
    return f"data set {dataset.name()}: {reason}; {dataset.advice}"


def _of_records(entry: CatalogEntry, cfg: Any) -> Inventory:
    """Of a data set that any Dassl class reads."""
    kind = entry.kind
    name = f"data set {entry.name}"
    folder = None if entry.embedded else Path(entry.root, kind.dataset_dir)
    if folder and not folder.is_dir():
        return Inventory(
            entry.name,
            problem=f"{name}: no folder {folder}; {kind.__module__} may say where it is from",
        )
    try:
        dataset = kind(cfg)
    except Exception as error:  # noqa: BLE001 (whatever a third-party class raises)
        problem = reason_of(error)
        if not isinstance(error, UserError):
            problem = f"{name}: {problem}; {kind.__module__} may say what it needs"
        return Inventory(entry.name, folder, problem=problem)
    tasks = getattr(dataset, "tasks", None) or TaskSet([Task(entry.name, dataset.classnames)])
    records: dict[str, Any] = {}
    for part in (dataset.train_x, dataset.val, dataset.test):
        records.update((item.impath, item) for item in part or ())
    images = [FoundImage(path, *tasks.to_local(item.label)) for path, item in records.items()]
    wanted = Counter(image.task for image in images)
    return Inventory(
        entry.name,
        Path(dataset.dataset_dir),
        images,
        len(images),
        "its own",
        tasks=tasks,
        wanted=wanted,
    )
