"""Few-shot files of other projects, read without running anything that is in them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

from softcpt.errors import UserError

Paths = dict[str, list[str]]


def read_pickle(path: Path) -> Paths:
    """CoOp's ``shot_K-seed_S.pkl``, {"train": [Datum, ...], "val": [...]}: image paths by part, as they stand there.

    Only Dassl's plain image records are admitted; whatever else a pickle asks for is refused before it is made.

    Raises:
        UserError: the file asks for something else, is cut short, or has another form.
    """
    try:
        with open(path, "rb") as file:
            content = _RecordsOnly(file).load()
        return {part: [record.__dict__["_impath"] for record in content[part]] for part in _parts(content)}
    except Exception as error:  # damaged bytes make the unpickler raise nearly any type
        raise _unreadable(path, error) from error


class _Record:
    """Stands in for Dassl's Datum, and DatumMT of SoftCPT's fork: holds what the pickle says of it and does nothing."""


class _RecordsOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        if module.startswith("dassl.data.datasets") and name in ("Datum", "DatumMT"):
            return _Record
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no list of images needs")


def read_lines(train: Path) -> Paths:
    """The pair ``shot_K-seed_S_train.jsonl``, ``..._val.jsonl`` of 2SFS: a record with "_impath" per line."""
    paths: Paths = {}
    for part in ("train", "val"):
        path = train.with_name(train.name.replace("_train.jsonl", f"_{part}.jsonl"))
        if path.is_file():
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
                paths[part] = [json.loads(line)["_impath"] for line in lines if line.strip()]
            except Exception as error:
                raise _unreadable(path, error) from error
    return paths


def read_index(content: dict[str, Any], path: Path) -> Paths:
    """The index files of cross-modal adaptation, {"train": {"data": [{"impath": ...}, ...], ...}, "val": ...}."""
    try:
        return {part: [record["impath"] for record in content[part]["data"]] for part in _parts(content)}
    except Exception as error:
        raise _unreadable(path, error) from error


def _parts(content: Any) -> list[str]:
    if not isinstance(content, dict) or "train" not in content:
        raise ValueError("it has no training images")
    return [part for part in ("train", "val") if part in content]


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"few-shot file {path}: not a list of images ({reason}); delete it, or put the right one there")
