"""Few-shot files as CoOp and SoftCPT pickle them, written without their code."""

from __future__ import annotations

import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any


def dump_records(
    path: Path, make: Callable[[Callable[..., Any]], Any], cls: str, module: str
) -> None:
    """Pickle ``make(record)`` to ``path``; ``record(image, ...)`` makes one of Dassl's image
    records of class ``cls``.

    A record has what its attributes say, ``_impath`` and the keywords with an underscore before
    them, and no more.
    """
    kind = type(cls, (), {"__module__": module})

    def record(image: str, **attributes: Any) -> Any:
        made = kind()
        made.__dict__.update(
            {"_impath": image, **{f"_{name}": value for name, value in attributes.items()}}
        )
        return made

    stand_in, kept = types.ModuleType(module), sys.modules.get(module)
    setattr(stand_in, cls, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.modules[module] = stand_in
    try:
        path.write_bytes(pickle.dumps(make(record), pickle.HIGHEST_PROTOCOL))
    finally:
        del sys.modules[module]
        if kept is not None:
            sys.modules[module] = kept


def coop_pickle(
    path: Path,
    images: dict[str, list[str]],
    cls: str = "Datum",
    module: str = "dassl.data.datasets.base_dataset",
    folder: str = "/home/someone/data/RSSCN7",
) -> None:
    """What CoOp leaves of a data set: {"train": [Datum, ...], "val": ...} with absolute paths of
    some machine."""

    def make(record: Callable[..., Any]) -> Any:
        return {
            part: [record(f"{folder}/{image}", label=0, domain=0, classname="x") for image in names]
            for part, names in images.items()
        }

    dump_records(path, make, cls, module)


def softcpt_pickle(path: Path, parts: dict[str, list[tuple[Any, int, int]]], **more: Any) -> None:
    """What SoftCPT leaves of General-10: records (image, label in its task, task) of its fork's
    class, and ``more``."""

    def make(record: Callable[..., Any]) -> Any:
        made = {
            part: [
                record(image, label=[label], domain=0, task=[task], box=None)
                for image, label, task in rows
            ]
            for part, rows in parts.items()
        }
        return {**made, **more}

    dump_records(path, make, "DatumMT", "dassl.data.datasets.base_dataset")
