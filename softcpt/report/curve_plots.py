"""Draws few-shot curves: of the mean over tasks, of every task; dots for one number of shots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from softcpt.report.benchmark import NO_SHOTS, Benchmark, is_zero_shot, shots_name
from softcpt.report.method_styles import NEUTRAL, styles
from softcpt.report.plot_frame import MARKERS, panels, short_name, text_width
from softcpt.report.published import PublishedRow
from softcpt.report.statistics import describe, summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = ((3, 6), (4, 12), (6, math.inf))  # panels beside each other, for up to so many tasks


def average_figure(benchmark: Benchmark) -> Figure:
    """Few-shot curves of the mean over tasks, the published ones beside them; a dot plot for one
    number of shots."""
    if len(benchmark.shots()) < 2:
        return _dots(benchmark)
    published = [
        row
        for row in benchmark.published
        if set(row.ours) & set(benchmark.methods()) and set(row.cells) & set(benchmark.shots())
    ]
    figure, drawn = panels(
        3.2 if published else 3.8,
        3.2,
        2 if published else 1,
        right=0.55 + text_width(benchmark.methods(), 8.5),
    )
    axes = drawn[0]
    _curves(axes, benchmark, None, bars=True)
    axes.set_ylabel(_mean_title(benchmark))
    axes.set_title(f"{benchmark.name} · {benchmark.backbone}", loc="left")
    # Lines with bars come behind those without in matplotlib's legend.
    drawn_handles, drawn_names = axes.get_legend_handles_labels()
    by_name = dict(zip(drawn_names, drawn_handles))
    names = [method for method in benchmark.methods() if method in by_name]
    if published:
        _published_curves(drawn[1], benchmark, published)
    for axes in drawn:
        _shots_axis(axes, benchmark)
        axes.set_xlabel("training images per class")
    handles = [by_name[name] for name in names]
    axes.legend(handles, names, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _published_curves(axes: Axes, benchmark: Benchmark, rows: list[PublishedRow]) -> None:
    """Published figures of the methods that the benchmark has, in their colours; hollow and
    dashed."""
    look, shots = styles(benchmark.methods(None)), benchmark.shots()
    for row in rows:
        colour, marker = look[next(method for method in benchmark.methods() if method in row.ours)]
        points = [(1 + shots.index(each), row.cells[each]) for each in shots if each in row.cells]
        axes.errorbar(
            [x for x, _ in points],
            [mean for _, (mean, _) in points],
            [std for _, (_, std) in points],
            color=colour,
            ls=(0, (4, 2)),
            lw=1.2,
            marker=MARKERS[marker],
            ms=5,
            mfc="white",
            capsize=2,
            elinewidth=0.9,
        )
    zero_shot = [row.cells[None][0] for row in benchmark.published if len(row.cells) == 1]
    for mean in zero_shot:
        _level(axes, mean, NEUTRAL)
        axes.plot([0], [mean], color=NEUTRAL, marker="*", ms=11, mfc="white", ls="none", zorder=3)
    axes.set_xlim(-0.25, len(shots) + 0.25)
    weights = ", other weights" if rows[0].other_weights else ""
    axes.set_title(f"as published{weights}", loc="left")


def _curves(axes: Axes, benchmark: Benchmark, task: str | None, bars: bool) -> None:
    """Every method's line; with ``bars`` larger, and with standard deviations."""
    look = styles(benchmark.methods(None))
    for method in benchmark.methods():
        colour, marker = look[method]
        if is_zero_shot(method):
            _zero_shot(axes, benchmark, method, task, 11 if bars else 7, colour)
        else:
            _curve(
                axes, benchmark, method, task, bars, {"color": colour, "marker": MARKERS[marker]}
            )
    axes.set_xlim(-0.25, len(benchmark.shots()) + 0.25)


def _zero_shot(
    axes: Axes, benchmark: Benchmark, method: str, task: str | None, size: float, colour: str
) -> None:
    found = summary(benchmark.values(method, NO_SHOTS, task).values())
    if found:
        _level(axes, found.mean, colour)
        star: dict[str, Any] = {"marker": "*", "ls": "none", "label": method, "zorder": 3}
        axes.plot([0], [found.mean], color=colour, ms=size, **star)


def _level(axes: Axes, mean: float, colour: str) -> None:
    axes.axhline(mean, color=colour, lw=0.8, ls=(0, (1, 2)), zorder=1)


def _curve(
    axes: Axes,
    benchmark: Benchmark,
    method: str,
    task: str | None,
    bars: bool,
    look: dict[str, str],
) -> None:
    x, means, deviations = [], [], []
    for index, shots in enumerate(benchmark.shots(), 1):
        found = summary(benchmark.values(method, shots, task).values())
        if found:
            x.append(index)
            means.append(found.mean)
            deviations.append(found.std)
    style: dict[str, Any] = {
        **look,
        "lw": 1.5 if bars else 1.1,
        "ms": 5 if bars else 3,
        "label": method,
        "ls": "-" if benchmark.verified(method) else ":",
        "zorder": 3,
        "clip_on": False,
    }
    if bars:
        axes.errorbar(x, means, deviations, capsize=2, elinewidth=0.9, **style)
    else:
        axes.plot(x, means, **style)


def _mean_title(benchmark: Benchmark) -> str:
    tasks = len(benchmark.tasks)
    return f"mean over {tasks} tasks, %" if tasks > 1 else "accuracy, %"


def _shots_axis(axes: Axes, benchmark: Benchmark) -> None:
    names = [
        shots_name(each).removesuffix("-shot").removesuffix(" images") for each in benchmark.shots()
    ]
    axes.set_xticks(range(len(names) + 1), ["0", *names])


def _dots(benchmark: Benchmark) -> Figure:
    """Mean and standard deviation of every method at the only number of shots."""
    shots = next(iter(benchmark.shots()), NO_SHOTS)
    methods = [method for method in benchmark.methods() if benchmark.values(method, shots)]
    figure, [axes] = panels(4.2, 0.15 + 0.3 * len(methods), left=0.2 + text_width(methods, 8))
    look = styles(benchmark.methods(None))
    for row, method in enumerate(methods):
        found = describe(benchmark.values(method, shots).values())
        axes.errorbar(
            [found.mean],
            [row],
            xerr=[found.std],
            color=look[method][0],
            marker=MARKERS[look[method][1]],
            ms=7,
            capsize=3,
            ls="none",
        )
    axes.set_yticks(range(len(methods)), methods)
    axes.invert_yaxis()
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_xlabel(_mean_title(benchmark))
    axes.set_title(f"{benchmark.name} · {benchmark.backbone} · {shots_name(shots)}", loc="left")
    return figure


def tasks_figure(benchmark: Benchmark) -> Figure:
    """One small panel per task. Margins are set by hand: laying out 44 panels takes longer than
    drawing them."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    tasks = benchmark.tasks
    most = next(columns for columns, until in _COLUMNS if len(tasks) <= until)
    columns = min(len(tasks), most)
    rows = math.ceil(len(tasks) / columns)
    width = 1.75 * columns + 0.35
    across = min(len(benchmark.methods()), max(2, int(width / 1.6)))
    legend = 0.2 * math.ceil(len(benchmark.methods()) / across) + 0.1
    height = 1.35 * rows + 0.45 + legend
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": 0.6 / width,
            "right": 1 - 0.08 / width,
            "bottom": 0.45 / height,
            "top": 1 - (legend + 0.22) / height,
            "wspace": 0.26,
            "hspace": 0.32,
        },
    )
    for index, axes in enumerate(grid.flat):
        if index >= len(tasks):
            axes.remove()
            continue
        _curves(axes, benchmark, tasks[index], bars=False)
        axes.set_title(short_name(tasks[index]), fontsize=8, pad=3, y=1.0)
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        if index + columns < len(tasks):
            axes.set_xticks([])
        else:
            _shots_axis(axes, benchmark)
        axes.tick_params(labelsize=7, length=2)
        axes.grid(False, axis="x")
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="upper center", ncols=across, bbox_to_anchor=(0.5, 1.0))
    figure.text(0.5, 0.06 / height, "training images per class", ha="center", fontsize=9)
    figure.text(0.1 / width, 0.5, "%", va="center", fontsize=9)
    return figure
