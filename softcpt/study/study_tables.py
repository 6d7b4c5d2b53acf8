"""Writes the tables of a study as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from softcpt.study.affinities import Affinities
from softcpt.study.matrix import Matrix
from softcpt.utils.csv_cells import defused
from softcpt.utils.files import atomic_write


def write_pairs(names: Sequence[str], matrix: Matrix, path: Path) -> None:
    """A line for each seed, source and target; source "" is the target alone."""
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        lines, names = csv.writer(file), [defused(name) for name in names]
        lines.writerow(["seed", "source", "target", "metric", "gain"])
        for seed, (alone, paired) in enumerate(zip(matrix.alone, matrix.paired)):
            for target, name in enumerate(names):
                lines.writerow([seed, "", name, f"{alone[target]:.4f}", ""])
                lines.writerows(
                    [
                        seed,
                        names[source],
                        name,
                        f"{paired[source, target]:.4f}",
                        f"{paired[source, target] - alone[target]:.4f}",
                    ]
                    for source in range(len(paired))
                    if source != target or matrix.reading == "source"
                )


def write_affinities(names: Sequence[str], found: Affinities, path: Path) -> None:
    """A line for each seed, source and target."""
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        lines, names = csv.writer(file), [defused(name) for name in names]
        lines.writerow(["seed", "source", "target", "affinity"])
        for seed, table in enumerate(found.measured):
            for source, row in enumerate(table):
                lines.writerows(
                    [seed, names[source], names[target], f"{value:.6f}"]
                    for target, value in enumerate(row)
                )
