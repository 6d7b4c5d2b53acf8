"""The papers' rows, to stand beside ours, and the order in which papers list methods."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class PublishedRow:
    """One method of a published few-shot table.

    Attributes:
        name: as published.
        ours: names that the same method has here.
        cells: shots -> (mean, population std), in percent; None is the "Avg." column.
        other_weights: of the same architecture as ours, not of the same weights.
        parameters, minutes: trainable parameters and training time, where the table has them.
    """

    name: str
    ours: tuple[str, ...]
    cells: Mapping[int | None, tuple[float, float]]
    parameters: int | None
    minutes: float | None
    other_weights: bool = False

    @property
    def label(self) -> str:
        """Its name in our tables."""
        return f"{self.name} (published{', other weights' if self.other_weights else ''})"


@cache
def _data() -> dict[str, Any]:
    text = (resources.files(__package__) / "published.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def published_rows(dataset: str, backbone: str, architecture: str = "") -> list[PublishedRow]:
    """The published table of a benchmark, in the paper's order; empty where there is none for this
    backbone.

    Args:
        dataset: name.
        backbone: name that it was loaded by.
        architecture: OpenAI's name of its architecture: for weights of one's own the rows of that
            backbone are given, and say so.
    """
    data = _data()
    benchmark = data["benchmarks"].get(dataset)
    if benchmark is None or data["backbone"] not in (backbone, architecture):
        return []
    other_weights = backbone != data["backbone"]
    rows = []
    for name, row in benchmark["methods"].items():
        cells: dict[int | None, tuple[float, float]] = dict(
            zip(data["shots"], map(tuple, row["shots"]))
        )
        cells[None] = tuple(row["average"])
        rows.append(
            PublishedRow(
                name,
                tuple(data["names"][name]),
                cells,
                row["parameters"],
                row["minutes"],
                other_weights,
            )
        )
    return rows


def published_source() -> str:
    """Where the published rows are from."""
    return str(_data()["source"])


def published_remarks() -> list[str]:
    """What to know when comparing with the published rows."""
    return list(_data()["remarks"])


def paper_order(method: str) -> tuple[int, list[tuple[int, str]]]:
    """A sort key: methods as the paper lists them, variants behind their method, unknown ones last
    by name."""
    families = [
        (ours, index) for index, names in enumerate(_data()["names"].values()) for ours in names
    ]
    fits = [(len(ours), index) for ours, index in families if method.startswith(ours)]
    natural = [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", method)
    ]
    return max(fits)[1] if fits else len(families), natural
