"""Writes what pairs of tasks gained into study.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tabulate import tabulate

from softcpt.report.relations import alike_together
from softcpt.study.matrix import Matrix
from softcpt.study.similarity import Correlation

_HOW = {
    "joint": "both trained together, one prompt",
    "source": "trained on the source, then on the target from its prompt",
    "zero-shot": "trained on the source, tested on the target",
}


def section(
    names: Sequence[str], matrix: Matrix, correlations: Mapping[str, Correlation], figure: str
) -> str:
    """A matrix in words and as a table; ``figure`` is what stands in the figure's place."""
    gains, values = matrix.gains, matrix.off_diagonal
    order = alike_together(matrix.mutual_likeness)
    head = ["source \\ target", *(names[task] for task in order), "mean"]
    rows = [
        [
            names[source],
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
