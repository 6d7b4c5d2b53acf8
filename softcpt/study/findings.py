"""Writes study.md, its figures and its tables: what pairs and groups of tasks reached, and what
gradients say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from softcpt.study import gradient_section, group_section, pair_section
from softcpt.study.affinities import Affinities, Agreement, agreement
from softcpt.study.earlier import Earlier
from softcpt.study.group_section import Grouping
from softcpt.study.matrix import Floats, Matrix, PairTable
from softcpt.study.similarity import Correlation, correlation
from softcpt.study.study_tables import write_affinities, write_pairs
from softcpt.utils.files import atomic_write, write_json
from softcpt.utils.requirements import NO_MATPLOTLIB, is_installed

BY_GRADIENTS = " by gradients"


@dataclass
class Findings:
    """All of a study.

    Attributes:
        names: of the tasks.
        about: data, settings, command, in one line.
        matrices: of every method and pair reading.
        similarities: "visual" and "label" (T, T).
        affinities: of every method whose gradients were measured.
        earlier: another study of the same tasks whose pairs affinities are compared with; None:
            they are with this one's.
        groupings: by method, "<method> by gradients" for those of affinities.
        correlations: of each matrix's gains with each similarity, in the matrices' order.
    """

    names: Sequence[str]
    about: str
    matrices: Sequence[Matrix]
    similarities: Mapping[str, Floats]
    affinities: Sequence[Affinities] = ()
    earlier: Earlier | None = None
    groupings: dict[str, Grouping] = field(default_factory=dict)
    correlations: list[dict[str, Correlation]] = field(init=False)

    def __post_init__(self) -> None:
        self.correlations = [self.alike(matrix) for matrix in self.matrices]

    def alike(self, table: PairTable) -> dict[str, Correlation]:
        """Of a table's numbers with each similarity."""
        return {
            name: correlation(table.gains, measure) for name, measure in self.similarities.items()
        }

    def agreements(self, found: Affinities) -> list[Agreement]:
        """Of a method's affinities with the gains of its pairs, here or in the earlier study."""
        matrices = self.earlier.matrices if self.earlier else self.matrices
        return [agreement(found, matrix) for matrix in matrices if matrix.method == found.method]

    def compared_with(self, title: str) -> Sequence[Sequence[int]] | None:
        """The groups that pairs suggested, here or in the earlier study, for those of gradients."""
        method, by_gradients, _ = title.partition(BY_GRADIENTS)
        if not by_gradients:
            return None
        if self.earlier is not None:
            return self.earlier.groups.get(method)
        found = self.groupings.get(method)
        return found.groups if found else None


def write(findings: Findings, folder: Path) -> Path:
    """Write study.md, study.json, and for each table a CSV file and a figure; returns the first's
    path. Without matplotlib study.md has a line in the place of each figure."""
    parts = [f"# Which tasks help which\n\n{findings.about}\n"]
    for matrix, correlations in zip(findings.matrices, findings.correlations):
        name = f"{matrix.method}-{matrix.reading}".replace("/", "-")
        write_pairs(findings.names, matrix, folder / f"{name}.csv")
        title = f"{matrix.method}, {matrix.reading}"
        words = (title, "points gained", "points gained by the target")
        shown = _drawn(findings, matrix, words, correlations, folder / name)
        parts.append(pair_section.section(findings.names, matrix, correlations, shown))
    trees = []
    for found in findings.affinities:
        name = f"{found.method}-gradients-{found.images}".replace("/", "-")
        write_affinities(findings.names, found, folder / f"{name}.csv")
        correlations, agreements = findings.alike(found), findings.agreements(found)
        title = f"{found.method}, gradients on {found.images}"  # longer ones reach the next panel
        words = (title, "affinity, %", f"affinity, {gradient_section.UNIT}")
        shown = _drawn(findings, found, words, correlations, folder / name)
        parts.append(
            gradient_section.section(findings.names, found, correlations, agreements, shown)
        )
        trees.append(gradient_section.tree(found, correlations, agreements))
    parts += [
        group_section.section(findings.names, title, grouping, findings.compared_with(title))
        for title, grouping in findings.groupings.items()
    ]
    write_json(folder / "study.json", _tree(findings) | ({"affinities": trees} if trees else {}))
    with atomic_write(folder / "study.md") as path:
        path.write_text("\n".join(parts), encoding="utf-8")
    return folder / "study.md"


def _drawn(
    findings: Findings,
    table: PairTable,
    words: tuple[str, str, str],
    correlations: Mapping[str, Correlation],
    path: Path,
) -> str:
    """Write the table's figure as ``path`` with the ending .svg, and with .png; returns what stands
    in its place in study.md.

    Args:
        findings: of the whole study.
        table: that is drawn.
        words: its title, its numbers' unit, and what they are.
        correlations: with the similarities.
        path: without ending.
    """
    if not is_installed("matplotlib"):
        return f"*Figure left out: {NO_MATPLOTLIB}*"
    from matplotlib import rc_context

    from softcpt.report.plot_frame import STYLE
    from softcpt.study.figure import figure

    salt: Any = {"svg.hashsalt": STYLE["svg.hashsalt"]}  # so that the same runs make the same file
    drawn = figure(table, findings.names, words, findings.similarities, correlations)
    for ending, settings in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": 150})):
        path_of_kind = path.with_name(f"{path.name}.{ending}")
        with rc_context(salt), atomic_write(path_of_kind) as temporary:
            drawn.savefig(temporary, format=ending, **settings)
    return f"![{words[0]}]({path.name}.svg)"


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
