"""Reads and writes split files: which images are for training, validation and test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from softcpt.errors import UserError, named_reason_of
from softcpt.utils.files import atomic_write
from softcpt.utils.kinds import is_kind, shown
from softcpt.utils.text_files import read_json
from softcpt.version import __version__

DRAW_SEED = 1  # of every split that is drawn here


class Item(NamedTuple):
    """An image of a split: path below the image folder with ``/``, task, class inside the task, its
    other classes."""

    path: str
    task: int
    label: int
    others: tuple[int, ...] = ()


@dataclass(frozen=True)
class Split:
    """Images of a data set by part, and its classes.

    Attributes:
        train, val, test: the images; ``val`` may be empty.
        class_names: class names of each task in label order.
        task_names: name of each task where the split file states it, else "".
        source: where it is from, for messages: a file's name, or "official lists".
    """

    train: list[Item]
    val: list[Item]
    test: list[Item]
    class_names: list[list[str]]
    task_names: list[str] = field(default_factory=list)
    source: str = "official lists"

    def digest(self) -> str:
        """SHA-256 of what a few-shot draw depends on: the order of the training and validation
        images and labels."""
        hashed = hashlib.sha256()
        for part in (self.train, self.val):
            lines = (
                "\t".join(map(str, (path, task, label, *others))) + "\n"
                for path, task, label, others in part
            )
            hashed.update("".join(lines).encode() + b"\0")
        return hashed.hexdigest()

    def renamed(self, rule: Callable[[str], str]) -> Split:
        """The same split with ``rule`` applied to every class name."""
        return replace(
            self, class_names=[[rule(name) for name in names] for names in self.class_names]
        )


def single_task(parts: Mapping[str, Sequence[tuple[str, int, str]]], source: str) -> Split:
    """A split of one task from (path, label, class name) rows by part; labels are renumbered
    without gaps."""
    names = {int(label): name for rows in parts.values() for _, label, name in rows}
    labels = {label: index for index, label in enumerate(sorted(names))}
    items = {
        part: [Item(path, 0, labels[int(label)]) for path, label, _ in rows]
        for part, rows in parts.items()
    }
    return Split(
        items.get("train", []),
        items.get("val", []),
        items.get("test", []),
        [[names[label] for label in sorted(names)]],
        source=source,
    )


def read_split(path: Path, inside: bool = True) -> Split:
    """Read CoOp's ``split_zhou_*.json`` or SoftCPT's ``split_dk_*.json``.

    CoOp's rows are path, label, class name; SoftCPT's path, [label], [task], and "meta" has the
    names.

    Args:
        path: the file.
        inside: refuse paths that lead out of the data set's folder.

    Raises:
        UserError: the file is cut short or of another form, or a path in it leads out of the data
            set.
    """
    try:
        content = read_json(path, "split file", "delete it and fetch it again")
        parts = {part: content[part] for part in ("train", "val", "test")}
        split = (
            _with_meta(parts, content["meta"], path)
            if "meta" in content
            else single_task(_checked_rows(parts), path.name)
        )
    except OSError as error:
        raise UserError(
            f"split file {path}: cannot be read ({error.strerror}); check its permissions"
        ) from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        reason = named_reason_of(error)
        raise UserError(
            f"split file {path}: not a split ({reason}); delete it and fetch it again"
        ) from error
    if inside:
        refuse_outside((*split.train, *split.val, *split.test), f"split file {path}")
    return split


def refuse_outside(items: Iterable[Item], where: str) -> None:
    """Raise UserError if a path among ``items`` leads out of the data set; ``where`` names their
    file."""
    for item in items:
        if item.path.startswith(("/", "\\")) or ".." in item.path.split("/"):
            fault = f"path '{item.path}' leads out of the data set"
            raise UserError(f"{where}: {fault}; delete the file and fetch it again")


def _with_meta(parts: Mapping[str, list[Any]], meta: Mapping[str, Any], path: Path) -> Split:
    names, called = meta["taskid2cname"], meta.get("taskid2tname", [])
    if not is_kind(names, [[str]]) or not is_kind(called, [str]):
        raise ValueError("the names in its meta are no lists of texts")
    if called and len(called) != len(names):
        raise ValueError(f"its meta has {len(called)} names of tasks for {len(names)}")
    items = {
        part: [_item_with_task(place, *row) for place, row in _numbered(part, rows)]
        for part, rows in parts.items()
    }
    for part, rows in items.items():
        for place, row in _numbered(part, rows):
            if row.task not in range(len(names)) or row.label not in range(len(names[row.task])):
                raise ValueError(f"{place}: it names no class {row.label} of task {row.task}")
    return Split(**items, class_names=names, task_names=called, source=path.name)


def _checked_rows(parts: Mapping[str, Any]) -> dict[str, list[tuple[str, int, str]]]:
    """CoOp's rows, as they stand there. Raises ValueError naming the first that is none."""
    checked: dict[str, list[tuple[str, int, str]]] = {}
    for part, rows in parts.items():
        checked[part] = []
        for place, row in _numbered(part, rows):
            if not isinstance(row, list) or len(row) != 3:
                raise ValueError(f"{place} is not [path, label, class name]")
            image, label, name = row
            if not isinstance(name, str):
                raise ValueError(f"{place}: the class name {shown(name)} is no text")
            checked[part].append((_path(image, place), _number(label, place), name))
    return checked


def _numbered(part: str, rows: Any) -> Iterator[tuple[str, Any]]:
    """Where each row stands, and the row."""
    if not isinstance(rows, list):
        raise ValueError(f"{part} is no list")
    return ((f"{part}[{index}]", row) for index, row in enumerate(rows))


def _path(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{place}: the path {shown(value)} is none")
    return value


def _number(value: Any, place: str) -> int:
    if not is_kind(value, int) or value < 0:
        raise ValueError(f"{place}: the label {shown(value)} is no number from 0")
    return int(value)


def _item_with_task(place: str, image: Any, labels: Any, tasks: Any) -> Item:
    return Item(_path(image, place), _single(tasks, place), _single(labels, place))


def _single(value: Any, place: str) -> int:
    """The number, or the one in a list of one. Raises ValueError for other lists."""
    if isinstance(value, list) and len(value) == 1:
        [value] = value
    return _number(value, place)


def write_drawn(path: Path, split: Split, rule: str) -> None:
    """Write a drawn split, whole or not at all: in CoOp's form for one task, else in SoftCPT's,
    with "drawn_by".

    Raises:
        UserError: it cannot be written.
    """
    parts: dict[str, Any]
    if len(split.class_names) == 1:
        names = split.class_names[0]
        parts = {
            part: [[item.path, item.label, names[item.label]] for item in items]
            for part, items in _parts(split)
        }
    else:
        parts = {
            part: [[item.path, [item.label], [item.task]] for item in items]
            for part, items in _parts(split)
        }
        parts["meta"] = {"taskid2cname": split.class_names, "taskid2tname": split.task_names}
    drawn_by = {
        "program": f"softcpt {__version__}",
        "seed": DRAW_SEED,
        "rule": rule,
        "order": "sorted file names",
    }
    content = json.dumps({"drawn_by": drawn_by, **parts}, ensure_ascii=False)
    with atomic_write(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def _parts(split: Split) -> Iterable[tuple[str, list[Item]]]:
    return (("train", split.train), ("val", split.val), ("test", split.test))
