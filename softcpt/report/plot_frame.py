"""What the report's figures share: matplotlib's settings, markers, and panels with margins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "cross": "X",
    "down": "v",
    "plus": "P",
    "star": "*",
}
# matplotlib types its settings as a Literal of all their names from 3.10 on.
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.edgecolor": "#555555",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "softcpt",
    "text.parse_math": False,
}


def panels(
    width: float,
    height: float,
    columns: int = 1,
    left: float = 0.7,
    right: float = 0.15,
    bottom: float = 0.5,
    top: float = 0.3,
) -> tuple[Figure, list[Axes]]:
    """Panels of ``width`` x ``height`` with margins, all in inches.

    matplotlib can measure margins itself, which takes as long as drawing; a report of many
    benchmarks would feel it.
    """
    from matplotlib.figure import Figure

    gap = 0.2
    full, high = left + columns * width + (columns - 1) * gap + right, bottom + height + top
    figure = Figure(figsize=(full, high))
    grid = figure.subplots(
        1,
        columns,
        sharey=True,
        squeeze=False,
        gridspec_kw={
            "left": left / full,
            "right": 1 - right / full,
            "bottom": bottom / high,
            "top": 1 - top / high,
            "wspace": gap / width,
        },
    )
    return figure, list(grid[0])


def text_width(names: Sequence[str], size: float) -> float:
    """Inches that the longest of ``names`` takes at most, at a font size in points."""
    return 0.0088 * size * max(map(len, names), default=0)


def short_name(name: str) -> str:
    """Cut to 27 characters where it has more than 28."""
    return name if len(name) <= 28 else name[:26] + "…"
