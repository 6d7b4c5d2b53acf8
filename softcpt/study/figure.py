"""Draws a matrix: gains as a heat map, and against how alike the tasks are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from softcpt.report.plot_frame import STYLE
from softcpt.report.plots import heat_map
from softcpt.report.relations import alike_together
from softcpt.study.matrix import PairTable
from softcpt.study.similarity import Correlation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(
    table: PairTable,
    names: Sequence[str],
    words: tuple[str, str, str],
    similarities: Mapping[str, np.ndarray],
    correlations: Mapping[str, Correlation],
) -> Figure:
    """Tasks that go together are neighbours; beside it the pairs' numbers against the similarities
    (T, T). ``words``: the title, the numbers' unit, and what they are."""
    import matplotlib

    title, unit, scale = words
    style: Any = STYLE  # matplotlib types every key of it by name
    with matplotlib.rc_context(style):
        order = alike_together(table.mutual_likeness)
        gains = table.gains[np.ix_(order, order)]
        np.fill_diagonal(gains, np.nan)
        limit = max(float(np.nanmax(np.abs(gains))), 1e-9)
        drawn = heat_map(gains, [names[task] for task in order], scale, limit)
        drawn.axes[0].set_title(f"{title}: source (row), target (column)", loc="left")
        _scatter(drawn, table.gains, unit, similarities, correlations)
    return drawn


def _scatter(
    drawn: Figure,
    gains: np.ndarray,
    unit: str,
    similarities: Mapping[str, np.ndarray],
    correlations: Mapping[str, Correlation],
) -> None:
    """Panels to the right of what is drawn, which keeps its size."""
    width, height = drawn.get_size_inches()
    side, gap = 2.2, 0.75
    full = width + len(similarities) * (side + gap)
    for axes in drawn.axes:
        place = axes.get_position()
        axes.set_position(
            (place.x0 * width / full, place.y0, place.width * width / full, place.height)
        )
    drawn.set_size_inches(full, height)
    pairs = ~np.eye(len(gains), dtype=bool)
    top = drawn.axes[0].get_position().y1
    for column, (name, found) in enumerate(correlations.items()):
        left = width + gap / 2 + column * (side + gap)
        axes = drawn.add_axes((left / full, top - side / height, side / full, side / height))
        axes.axhline(0, color="#808080", linewidth=0.8)
        axes.plot(similarities[name][pairs], gains[pairs], "o", markersize=3, alpha=0.6)
        axes.set_xlabel(f"{name} similarity of source to target")
        axes.set_title(f"ρ = {found.rho:+.2f}, p = {found.p:.3f}", loc="left")
        if column == 0:
            axes.set_ylabel(unit)
