"""Reads few-shot files of other projects, without running anything that is in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from softcpt.data.split import Item, Split
from softcpt.errors import UserError, reason_of
from softcpt.utils.kinds import is_kind
from softcpt.utils.text_files import read_text
from softcpt.utils.unpickling import TableUnpickler

Paths = dict[str, list[str]]


def read_pickle(path: Path) -> Paths:
    """CoOp's ``shot_K-seed_S.pkl``, {"train": [Datum, ...], "val": [...]}: image paths by part, as
    they stand there.

    Only Dassl's plain image records are admitted; whatever else a pickle asks for is refused before
    it is made.

    Raises:
        UserError: the file asks for something else, is cut short, or has another form.
    """
    try:
        content = _load(path)
        return {part: [_path(record) for record in content[part]] for part in _parts(content)}
    except Exception as error:  # damaged bytes make the unpickler raise nearly any type
        raise _unreadable(path, error) from error


def read_merged(path: Path) -> Split:
    """The file of all tasks that SoftCPT writes for General-10 and Plant-6, paths as they stand
    there.

    {"train": [DatumMT, ...], "val": ..., "test": ..., "taskid2cname": class names of each task,
    "taskid2tname": the tasks' names, ...}; the labels of a record count inside its task.

    Raises:
        UserError: as :func:`read_pickle`.
    """
    try:
        content = _load(path)
        names = [_words(group) for group in content["taskid2cname"]]
        train, val, test = (
            [_item(record, names) for record in content[part]] for part in ("train", "val", "test")
        )
        return Split(train, val, test, names, _words(content["taskid2tname"]))
    except Exception as error:
        raise _unreadable(path, error) from error


def _item(record: _Record, names: list[list[str]]) -> Item:
    [label], [task] = record.__dict__["_label"], record.__dict__["_task"]
    if task not in range(len(names)) or label not in range(len(names[task])):
        raise ValueError(f"it has no class {label} of task {task}")
    return Item(_path(record), task, label)


def _path(record: _Record) -> str:
    [path] = _words([record.__dict__["_impath"]])
    return path


def _words(values: Any) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise ValueError("a name in it is no text")
    return list(values)


def _load(path: Path) -> Any:
    with open(path, "rb") as file:
        return _RecordsOnly(file).load()


class _Record:
    """Stands in for Dassl's Datum, and DatumMT of SoftCPT's fork: holds what the pickle says of it
    and does nothing."""


class _RecordsOnly(TableUnpickler):
    content = "list of images"

    def missing(self, module: str, name: str) -> Any:
        # Forks move Datum between the modules of this package.
        if module.startswith("dassl.data.datasets") and name in ("Datum", "DatumMT"):
            return _Record
        if (module, name) == ("softcpt.data.datum", "ImageDatum"):  # of softcpt before 0.2
            return _Record
        return super().missing(module, name)


def read_lines(train: Path) -> Paths:
    """The pair ``shot_K-seed_S_train.jsonl``, ``..._val.jsonl`` of 2SFS: a record with "_impath"
    per line."""
    paths: Paths = {}
    for part in ("train", "val"):
        path = train.with_name(train.name.replace("_train.jsonl", f"_{part}.jsonl"))
        if path.is_file():
            try:
                lines = read_text(path).splitlines()
                paths[part] = [json.loads(line)["_impath"] for line in lines if line.strip()]
            except Exception as error:
                raise _unreadable(path, error) from error
    return checked_paths(paths, train)


def read_index(content: dict[str, Any], path: Path) -> Paths:
    """The index files of cross-modal adaptation, {"train": {"data": [{"impath": ...}, ...], ...},
    "val": ...}."""
    try:
        paths = {
            part: [record["impath"] for record in content[part]["data"]] for part in _parts(content)
        }
    except Exception as error:
        raise _unreadable(path, error) from error
    return checked_paths(paths, path)


def checked_paths(paths: Paths, source: Path) -> Paths:
    """``paths``, if they are lists of texts.

    Raises:
        UserError: they are not.
    """
    for part, listed in paths.items():
        if not is_kind(listed, [str]):
            raise _unreadable(source, ValueError(f"{part} is no list of paths"))
    return paths


def _parts(content: Any) -> list[str]:
    if not isinstance(content, dict) or "train" not in content:
        raise ValueError("it has no training images")
    return [part for part in ("train", "val") if part in content]


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = reason_of(error)
    return UserError(
        f"few-shot file {path}: not a list of images ({reason}); delete it, or put the right one "
        "there"
    )
