"""Draws the figures of a benchmark by matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from softcpt.report.benchmark import Benchmark, shots_name
from softcpt.report.comparison_tables import cost_records
from softcpt.report.curve_plots import average_figure, tasks_figure
from softcpt.report.method_styles import NEUTRAL, styles
from softcpt.report.plot_frame import MARKERS, panels, short_name, text_width
from softcpt.report.relations import Relations
from softcpt.report.statistics import describe
from softcpt.utils.files import name_for_file

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


# A panel or a label for each of more tasks takes minutes to draw, and nobody can read it.
MOST_TASKS = 120


class PlannedFigure(NamedTuple):
    """A figure that is not drawn yet, which needs no matplotlib."""

    name: str
    caption: str
    draw: Callable[[], Figure]


def figures(benchmark: Benchmark, alike: Sequence[Relations] = ()) -> Iterator[PlannedFigure]:
    """All that the benchmark has something for, to be drawn in STYLE."""
    name, classes = benchmark.name, benchmark.classes()[0]
    if benchmark.methods():
        caption = (
            f"{name}: mean over {len(benchmark.tasks)} tasks; bars are the population standard "
            "deviation over seeds"
        )
        yield PlannedFigure("accuracy", caption, partial(average_figure, benchmark))
    if 1 < len(benchmark.tasks) <= MOST_TASKS and len(benchmark.shots()) > 1:
        caption = f"{name}: every task, mean over seeds"
        yield PlannedFigure("tasks", caption, partial(tasks_figure, benchmark))
    if any(record["mean"] is not None for record in cost_records(benchmark, classes)):
        caption = (
            f"{name}: accuracy against time (without encoding images) and memory, means over seeds"
        )
        yield PlannedFigure("cost", caption, partial(_cost, benchmark))
    for found in alike:
        method = name_for_file(found.method).lower()
        caption = (
            f"{name}, {found.method}, {shots_name(found.shots)}: cosine between the tasks' "
            f"contexts less their mean, mean over {found.runs} run(s)"
        )
        yield PlannedFigure(f"relations-{method}", caption, partial(_relations, found))


def _cost(benchmark: Benchmark) -> Figure:
    """Accuracy against seconds and against memory; a method's numbers of shots are joined."""
    from matplotlib.ticker import LogLocator, NullLocator

    records = [
        record
        for record in cost_records(benchmark, benchmark.classes()[0])
        if record["mean"] is not None
    ]
    methods = list(dict.fromkeys(record["method"] for record in records))
    figure, (left, right) = panels(2.9, 2.7, 2, right=0.55 + text_width(methods, 8.5))
    look = styles(benchmark.methods(None))
    for method in methods:
        mine = [record for record in records if record["method"] == method]
        _cost_line(left, mine, "seconds", 1.0, look[method])
        _cost_line(right, mine, "peak_memory_bytes", 1e-6, look[method])
    left.set_xscale("log")
    left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.xaxis.set_major_formatter("{x:g}")
    left.xaxis.set_minor_locator(NullLocator())
    left.set_xlabel("seconds, without encoding images")
    right.set_xlabel("peak memory, MB")
    left.set_ylabel("mean over tasks, %")
    left.set_title(f"{benchmark.name} · {benchmark.backbone}", loc="left")
    right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _cost_line(
    axes: Axes, records: Sequence[dict[str, Any]], key: str, scale: float, look: tuple[str, str]
) -> None:
    """One method's means over seeds at every number of shots; ``scale`` is that of ``key``."""
    known = [record for record in records if record[key] is not None]
    x, y = [], []
    for shots in dict.fromkeys(record["shots"] for record in known):
        mine = [record for record in known if record["shots"] == shots]
        x.append(describe([record[key] for record in mine]).mean * scale)
        y.append(describe([record["mean"] for record in mine]).mean)
    if x:
        colour, marker = look
        name = known[0]["method"]
        axes.plot(x, y, color=colour, lw=0.9, ms=6, marker=MARKERS[marker], label=name, alpha=0.95)


def _relations(found: Relations) -> Figure:
    """A heat map; red is alike, blue is unlike."""
    figure = heat_map(found.similarity, found.tasks, "cosine, mean over tasks taken away", 1.0)
    figure.axes[0].set_title(
        f"{found.method}, {shots_name(found.shots)}: relations of tasks", loc="left"
    )
    return figure


def heat_map(values: NDArray[np.float64], names: Sequence[str], label: str, limit: float) -> Figure:
    """Values (T, T) between ``names``, in colours from -limit (blue) to limit (red); ``label`` is
    that of the scale."""
    size = len(names)
    names = [short_name(name) for name in names] if size <= MOST_TASKS else []
    side, font = max(2.2, min(8.5, 0.19 * size)), 8 if size <= 24 else 6.5
    margin = 0.1 + text_width(names, font)
    figure, [axes] = panels(side, side, left=margin, bottom=margin, right=1.1)
    image = axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=font)
    axes.set_yticks(range(len(names)), names, fontsize=font)
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    place = axes.get_position()
    scale = figure.add_axes(
        (
            place.x1 + 0.15 / figure.get_figwidth(),
            place.y0 + place.height / 4,
            0.14 / figure.get_figwidth(),
            place.height / 2,
        )
    )
    bar = figure.colorbar(image, cax=scale)
    bar.outline.set_visible(False)
    bar.set_label(label, fontsize=8, color=NEUTRAL)
    return figure
