"""Writes what gradients say of tasks into study.md, beside what trained pairs gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from softcpt.engine.lookahead import VAL
from softcpt.report.relations import alike_together
from softcpt.study.affinities import Affinities, Agreement, between_seeds
from softcpt.study.similarity import Correlation

UNIT = "% of the target's loss"
IMAGES = {"train": "training images", "val": "validation images"}


def section(
    names: Sequence[str],
    found: Affinities,
    correlations: Mapping[str, Correlation],
    agreements: Sequence[Agreement],
    figure: str,
) -> str:
    """A table of affinities in words, and how it agrees with pairs.

    Args:
        names: of the tasks.
        found: the table.
        correlations: with the similarities of tasks.
        agreements: with the pairs, in each reading.
        figure: what stands in the figure's place.
    """
    values = found.off_diagonal
    likes = " and ".join(
        f"{measure} similarity ρ = {one.rho:+.2f} (p = {one.p:.3f})"
        for measure, one in correlations.items()
    )
    again = ""
    if len(found.measured) > 1:
        again = f" Two seeds' affinities correlate by ρ = {between_seeds(found):+.2f}."
    text = (
        f"## {found.method}: gradients, on {IMAGES[found.images]}\n\n"
        "No pair is trained: in one run on all tasks, before each of its steps, the affinity of a "
        "source to a target is the share of the target's loss, in %, that a plain step on the "
        f"source's loss would take away. Mean over the steps and {len(found.measured)} seed(s); "
        f"losses on {_losses(found)}, never on test images. Mean {values.mean():+.3f}, standard "
        f"deviation over pairs {values.std():.3f}; {(values > 0).mean():.0%} of {len(values)} "
        f"pairs have one above 0.{again} Rank correlation with {likes}.\n\n"
        f"{figure}\n\n"
        f"{_table(names, found)}\n"
    )
    return f"{text}\n{_agreement(agreements, len(names))}" if agreements else text


def _losses(found: Affinities) -> str:
    if found.images == VAL:
        return "validation images, gradients on the batch"
    return "the batch's own images"


def _table(names: Sequence[str], found: Affinities) -> str:
    order = alike_together(found.mutual_likeness)
    head = ["source \\ target", *(names[task] for task in order), "mean of others"]
    rows = []
    for source in order:
        cells = [f"{found.gains[source, target]:+.2f}" for target in order]
        cells[order.index(source)] = f"*{cells[order.index(source)]}*"
        rows.append([names[source], *cells, f"{found.of_sources[source]:+.2f}"])
    shown: str = tabulate(rows, head, tablefmt="github", disable_numparse=True)
    return shown


def _agreement(agreements: Sequence[Agreement], tasks: int) -> str:
    rows = [
        [
            one.reading,
            f"{one.correlation.rho:+.2f} (p = {one.correlation.p:.3f})",
            "" if np.isnan(one.between_seeds) else f"{one.between_seeds:+.2f}",
            f"{one.same_partner} of {tasks}",
            f"{one.by_partner:+.2f}",
            f"{one.by_any:+.2f}",
            f"{one.by_best:+.2f}",
        ]
        for one in agreements
    ]
    head = [
        "pairs, on test images",
        "ρ of gains and affinities",
        "ρ of gains of two seeds",
        "same best source",
        "gain by the source of highest affinity",
        "by any source",
        "by the best in hindsight",
    ]
    return (
        "Against trained pairs (by chance the best source is the same for "
        f"{tasks / (tasks - 1):.1f} of {tasks} targets):\n\n"
        f"{tabulate(rows, head, tablefmt='github', disable_numparse=True)}\n"
    )


def tree(
    found: Affinities, correlations: Mapping[str, Correlation], agreements: Sequence[Agreement]
) -> dict[str, Any]:
    """For study.json."""
    return {
        "method": found.method,
        "images": found.images,
        "measured": found.measured.tolist(),
        "affinities": found.gains.tolist(),
        "correlations": {name: vars(one) for name, one in correlations.items()},
        "agreement": [
            {**vars(one), "correlation": vars(one.correlation)} | _seeds(one) for one in agreements
        ],
    }


def _seeds(one: Agreement) -> dict[str, float | None]:
    """JSON has no number that is none."""
    return {"between_seeds": None if np.isnan(one.between_seeds) else one.between_seeds}
