"""Writes study.md, its figures and its matrices: what pairs and groups of tasks reached."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from softcpt.report.relations import alike_together
from softcpt.study.matrix import Matrix
from softcpt.study.similarity import Correlation, correlation
from softcpt.utils.csv_cells import defused
from softcpt.utils.files import atomic_write, write_json
from softcpt.utils.requirements import NO_MATPLOTLIB, is_installed

_HOW = {
    "joint": "both trained together, one prompt",
    "source": "trained on the source, then on the target from its prompt",
    "zero-shot": "trained on the source, tested on the target",
}


@dataclass(frozen=True)
class Grouping:
    """Task groups that a matrix suggests, and what training them reached.

    Attributes:
        groups: places of tasks.
        together, grouped: (S, T) metrics in % of all tasks trained together, and of each in its
            group.
    """

    groups: Sequence[Sequence[int]]
    together: np.ndarray
    grouped: np.ndarray


@dataclass
class Findings:
    """All of a study.

    Attributes:
        names: of the tasks.
        about: data, settings, command, in one line.
        matrices: of every method and reading.
        similarities: "visual" and "label" (T, T).
        chosen_on: what groups are chosen on, in words.
        groupings: by method.
        correlations: of each matrix's gains with each similarity, in the matrices' order.
    """

    names: Sequence[str]
    about: str
    matrices: Sequence[Matrix]
    similarities: Mapping[str, np.ndarray]
    chosen_on: str
    groupings: dict[str, Grouping] = field(default_factory=dict)
    correlations: list[dict[str, Correlation]] = field(init=False)

    def __post_init__(self) -> None:
        self.correlations = [
            {name: correlation(matrix.gains, table) for name, table in self.similarities.items()}
            for matrix in self.matrices
        ]


def write(findings: Findings, folder: Path) -> Path:
    """Write study.md, study.json, and for each matrix a CSV file and a figure; returns the first's
    path. Without matplotlib study.md has a line in the place of each figure."""
    drawing = is_installed("matplotlib")
    parts = [f"# Which tasks help which\n\n{findings.about}\n"]
    for matrix, correlations in zip(findings.matrices, findings.correlations):
        name = f"{matrix.method}-{matrix.reading}".replace("/", "-")
        _write_csv(findings, matrix, folder / f"{name}.csv")
        shown = f"*Figure left out: {NO_MATPLOTLIB}*"
        if drawing:
            _draw(findings, matrix, correlations, folder / name)
            shown = f"![{matrix.method}, {matrix.reading}]({name}.svg)"
        parts.append(_section(findings, matrix, correlations, shown))
    parts += [
        _group_section(findings, method, grouping)
        for method, grouping in findings.groupings.items()
    ]
    write_json(folder / "study.json", _tree(findings))
    with atomic_write(folder / "study.md") as path:
        path.write_text("\n".join(parts), encoding="utf-8")
    return folder / "study.md"


def _draw(
    findings: Findings, matrix: Matrix, correlations: Mapping[str, Correlation], path: Path
) -> None:
    """Write the matrix's figure as ``path`` with the ending .svg, and with .png."""
    from matplotlib import rc_context

    from softcpt.report.plot_frame import STYLE
    from softcpt.study.figure import figure

    drawn = figure(matrix, findings.names, findings.similarities, correlations)
    salt: Any = {"svg.hashsalt": STYLE["svg.hashsalt"]}  # so that the same runs make the same file
    for ending, settings in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": 150})):
        path_of_kind = path.with_name(f"{path.name}.{ending}")
        with rc_context(salt), atomic_write(path_of_kind) as temporary:
            drawn.savefig(temporary, format=ending, **settings)


def _section(
    findings: Findings, matrix: Matrix, correlations: Mapping[str, Correlation], figure: str
) -> str:
    """A matrix in words and as a table; ``figure`` is what stands in the figure's place."""
    gains, values = matrix.gains, matrix.off_diagonal
    order = alike_together(matrix.mutual_likeness)
    head = ["source \\ target", *(findings.names[task] for task in order), "mean"]
    rows = [
        [
            findings.names[source],
            *(f"{gains[source, target]:+.1f}" for target in order),
            f"{matrix.of_sources[source]:+.1f}",
        ]
        for source in order
    ]
    for place, row in enumerate(rows, start=1):
        row[place] = f"*{row[place]}*" if matrix.reading == "source" else ""
    rows.append(
        [
            "alone, %",
            *(f"{value:.1f}" for value in matrix.alone.mean(axis=0)[order]),
            f"{matrix.alone.mean():.1f}",
        ]
    )
    parts = [
        f"{measure} similarity ρ = {found.rho:+.2f} (p = {found.p:.3f})"
        for measure, found in correlations.items()
    ]
    return (
        f"## {matrix.method}: {matrix.reading}\n\n"
        f"A pair is {_HOW[matrix.reading]}; points that the target gained over training alone, "
        f"mean over {len(matrix.alone)} seed(s). Mean gain {values.mean():+.2f}, standard "
        f"deviation over pairs {values.std():.2f}; {(values > 0).mean():.0%} of {len(values)} "
        f"pairs gain, {(values < 0).mean():.0%} lose{_seed_noise(matrix)}."
        f"{_trained_twice(matrix)} Rank correlation of gains with {' and '.join(parts)}.\n\n"
        f"{figure}\n\n"
        f"{tabulate(rows, head, tablefmt='github', disable_numparse=True)}\n"
    )


def _trained_twice(matrix: Matrix) -> str:
    """What the second training brings without another task."""
    if matrix.reading != "source":
        return ""
    again = np.diag(matrix.gains).mean()
    return (
        f" Trained again from its own prompt (the diagonal) a task gains {again:+.2f}: so much of "
        "a pair's gain is "
        "longer training."
    )


def _seed_noise(matrix: Matrix) -> str:
    """How far a pair's gain goes from seed to seed: what the matrix's differences must be measured
    by."""
    if len(matrix.alone) < 2:
        return ""
    by_seed = matrix.by_seed[:, ~np.eye(len(matrix.gains), dtype=bool)]
    error = by_seed.std(axis=0, ddof=1) / len(by_seed) ** 0.5
    return f"; over seeds a pair's gain has a standard error of {error.mean():.2f}"


def _group_section(findings: Findings, method: str, grouping: Grouping) -> str:
    alone = next(matrix.alone for matrix in findings.matrices if matrix.method == method)
    rows = [
        [
            name,
            *(
                f"{part.mean(axis=0)[task]:.1f}"
                for part in (alone, grouping.grouped, grouping.together)
            ),
        ]
        for task, name in enumerate(findings.names)
    ]
    rows.append(
        [
            "**mean**",
            *(f"**{part.mean():.2f}**" for part in (alone, grouping.grouped, grouping.together)),
        ]
    )
    groups = "; ".join(
        ", ".join(findings.names[task] for task in group) for group in grouping.groups
    )
    table = tabulate(
        rows,
        ["task, %", "alone", "in its group", "all together"],
        tablefmt="github",
        disable_numparse=True,
    )
    return (
        f"## {method}: suggested groups\n\n{groups}.\n\n"
        f"Chosen by the gains of pairs {findings.chosen_on}, then trained.\n\n{table}\n"
    )


def _write_csv(findings: Findings, matrix: Matrix, path: Path) -> None:
    """A line for each seed, source and target; source "" is the target alone."""
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        lines = csv.writer(file)
        lines.writerow(["seed", "source", "target", "metric", "gain"])
        for seed, (alone, paired) in enumerate(zip(matrix.alone, matrix.paired)):
            names = [defused(name) for name in findings.names]
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


def _tree(findings: Findings) -> dict[str, Any]:
    return {
        "tasks": list(findings.names),
        "about": findings.about,
        "similarities": {name: table.tolist() for name, table in findings.similarities.items()},
        "matrices": [
            {
                "method": matrix.method,
                "reading": matrix.reading,
                "alone": matrix.alone.tolist(),
                "paired": matrix.paired.tolist(),
                "gains": matrix.gains.tolist(),
                "correlations": {name: vars(found) for name, found in correlations.items()},
            }
            for matrix, correlations in zip(findings.matrices, findings.correlations)
        ],
        "groups": {
            method: {
                "groups": [list(group) for group in found.groups],
                "grouped": found.grouped.tolist(),
                "together": found.together.tolist(),
            }
            for method, found in findings.groupings.items()
        },
    }
