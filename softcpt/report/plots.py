"""Draws the figures of a benchmark by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from softcpt.report.benchmark import NO_SHOTS, Benchmark, is_zero_shot, shots_name
from softcpt.report.comparison_tables import cost_records
from softcpt.report.method_styles import NEUTRAL, styles
from softcpt.report.published import PublishedRow, published_rows
from softcpt.report.relations import Relations
from softcpt.report.statistics import Summary, describe, summary

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_MARKERS = {
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


def figures(
    benchmark: Benchmark, alike: Sequence[Relations] = ()
) -> Iterator[tuple[str, str, Figure]]:
    """(name, caption, figure) of all that the benchmark has something for."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield from _figures(benchmark, alike)


def _figures(benchmark: Benchmark, alike: Sequence[Relations]) -> Iterator[tuple[str, str, Figure]]:
    name, classes = benchmark.name, benchmark.classes()[0]
    if benchmark.methods():
        caption = f"mean over {len(benchmark.tasks)} tasks; bars are the population standard"
        yield "accuracy", f"{name}: {caption} deviation over seeds", _average(benchmark)
    if len(benchmark.tasks) > 1 and len(benchmark.shots()) > 1:
        yield "tasks", f"{name}: every task, mean over seeds", _per_task(benchmark)
    if any(record["mean"] is not None for record in cost_records(benchmark, classes)):
        caption = "accuracy against time (without encoding images) and memory, means over seeds"
        yield "cost", f"{name}: {caption}", _cost(benchmark)
    for found in alike:
        method = "".join(c if c.isalnum() else "-" for c in found.method).strip("-").lower()
        caption = (
            f"{name}, {found.method}, {shots_name(found.shots)}: cosine between the tasks' "
            f"contexts less their mean, mean over {found.runs} run(s)"
        )
        yield f"relations-{method}", caption, _relations(found)


def _figure(
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


def _text_width(names: Sequence[str], size: float) -> float:
    """Inches that the longest of ``names`` takes at most, at a font size in points."""
    return 0.0088 * size * max(map(len, names), default=0)


def _average(benchmark: Benchmark) -> Figure:
    """Few-shot curves of the mean over tasks, the published ones beside them; a dot plot for one
    number of shots."""
    if len(benchmark.shots()) < 2:
        return _dots(benchmark)
    published = [
        row
        for row in published_rows(benchmark.name, benchmark.backbone)
        if set(row.ours) & set(benchmark.methods()) and set(row.cells) & set(benchmark.shots())
    ]
    figure, panels = _figure(
        3.2 if published else 3.8,
        3.2,
        2 if published else 1,
        right=0.55 + _text_width(benchmark.methods(), 8.5),
    )
    axes = panels[0]
    _curves(axes, benchmark, None, bars=True)
    axes.set_ylabel(
        f"mean over {len(benchmark.tasks)} tasks, %" if len(benchmark.tasks) > 1 else "accuracy, %"
    )
    axes.set_title(f"{benchmark.name} · {benchmark.backbone}", loc="left")
    handles = axes.get_legend_handles_labels()
    order = sorted(
        range(len(handles[1])), key=lambda index: benchmark.methods().index(handles[1][index])
    )
    if published:
        _published_curves(panels[1], benchmark, published)
    for axes in panels:
        _shots_axis(axes, benchmark)
        axes.set_xlabel("training images per class")
    axes.legend(
        *([part[index] for index in order] for part in handles),
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )
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
            marker=_MARKERS[marker],
            ms=5,
            mfc="white",
            capsize=2,
            elinewidth=0.9,
        )
    zero_shot = [
        row.cells[None][0]
        for row in published_rows(benchmark.name, benchmark.backbone)
        if len(row.cells) == 1
    ]
    for mean in zero_shot:
        axes.axhline(mean, color=NEUTRAL, lw=0.8, ls=(0, (1, 2)), zorder=1)
        axes.plot([0], [mean], color=NEUTRAL, marker="*", ms=11, mfc="white", ls="none", zorder=3)
    axes.set_xlim(-0.25, len(shots) + 0.25)
    axes.set_title("as published", loc="left")


def _curves(axes: Axes, benchmark: Benchmark, task: str | None, bars: bool) -> None:
    shots, methods = benchmark.shots(), benchmark.methods()
    look = styles(benchmark.methods(None))
    for method in methods:
        colour, marker = look[method]
        if is_zero_shot(method):
            found = summary(benchmark.values(method, NO_SHOTS, task).values())
            if found:
                axes.axhline(found.mean, color=colour, lw=0.8, ls=(0, (1, 2)), zorder=1)
                axes.plot(
                    [0],
                    [found.mean],
                    color=colour,
                    marker="*",
                    ms=11 if bars else 7,
                    ls="none",
                    label=method,
                    zorder=3,
                )
            continue
        points = [
            (1 + index, found)
            for index, each in enumerate(shots)
            if (found := summary(benchmark.values(method, each, task).values()))
        ]
        x, means = [place for place, _ in points], [found.mean for _, found in points]
        style: dict[str, Any] = {
            "color": colour,
            "marker": _MARKERS[marker],
            "lw": 1.5 if bars else 1.1,
            "ms": 5 if bars else 3,
            "label": method,
            "ls": "-" if benchmark.verified(method) else ":",
            "zorder": 3,
            "clip_on": False,
        }
        if bars:
            axes.errorbar(
                x, means, [found.std for _, found in points], capsize=2, elinewidth=0.9, **style
            )
        else:
            axes.plot(x, means, **style)
    axes.set_xlim(-0.25, len(shots) + 0.25)


def _shots_axis(axes: Axes, benchmark: Benchmark) -> None:
    names = [
        shots_name(each).removesuffix("-shot").removesuffix(" images") for each in benchmark.shots()
    ]
    axes.set_xticks(range(len(names) + 1), ["0", *names])


def _dots(benchmark: Benchmark) -> Figure:
    """Mean and standard deviation of every method at the only number of shots."""
    shots = next(iter(benchmark.shots()), NO_SHOTS)
    methods = [method for method in benchmark.methods() if benchmark.values(method, shots)]
    figure, [axes] = _figure(4.2, 0.15 + 0.3 * len(methods), left=0.2 + _text_width(methods, 8))
    look = styles(benchmark.methods(None))
    for row, method in enumerate(methods):
        found = describe(benchmark.values(method, shots).values())
        axes.errorbar(
            [found.mean],
            [row],
            xerr=[found.std],
            color=look[method][0],
            marker=_MARKERS[look[method][1]],
            ms=7,
            capsize=3,
            ls="none",
        )
    axes.set_yticks(range(len(methods)), methods)
    axes.invert_yaxis()
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_xlabel(
        f"mean over {len(benchmark.tasks)} tasks, %" if len(benchmark.tasks) > 1 else "accuracy, %"
    )
    axes.set_title(f"{benchmark.name} · {benchmark.backbone} · {shots_name(shots)}", loc="left")
    return figure


def _per_task(benchmark: Benchmark) -> Figure:
    """One small panel per task. Margins are set by hand: laying out 44 panels takes longer than
    drawing them."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    tasks = benchmark.tasks
    columns = min(len(tasks), 3 if len(tasks) <= 6 else 4 if len(tasks) <= 12 else 6)
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
        axes.set_title(_short(tasks[index]), fontsize=8, pad=3, y=1.0)
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


def _short(name: str) -> str:
    return name if len(name) <= 28 else name[:26] + "…"


def _cost(benchmark: Benchmark) -> Figure:
    """Accuracy against seconds and against memory; a method's numbers of shots are joined."""
    from matplotlib.ticker import LogLocator, NullLocator

    records = [
        record
        for record in cost_records(benchmark, benchmark.classes()[0])
        if record["mean"] is not None
    ]
    methods = list(dict.fromkeys(record["method"] for record in records))
    figure, (left, right) = _figure(2.9, 2.7, 2, right=0.55 + _text_width(methods, 8.5))
    look = styles(benchmark.methods(None))
    for axes, key, scale in ((left, "seconds", 1.0), (right, "peak_memory_bytes", 1e-6)):
        for method in methods:
            mine = [
                record
                for record in records
                if record["method"] == method and record[key] is not None
            ]
            points = [
                _middle(mine, shots, key)
                for shots in dict.fromkeys(record["shots"] for record in mine)
            ]
            if points:
                axes.plot(
                    [x.mean * scale for x, _ in points],
                    [y.mean for _, y in points],
                    color=look[method][0],
                    lw=0.9,
                    ms=6,
                    marker=_MARKERS[look[method][1]],
                    label=method,
                    alpha=0.95,
                )
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


def _middle(records: list[dict[str, Any]], shots: int, key: str) -> tuple[Summary, Summary]:
    mine = [record for record in records if record["shots"] == shots]
    return describe([record[key] for record in mine]), describe([record["mean"] for record in mine])


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
    names = [_short(name) for name in names]
    side, font = max(2.2, min(8.5, 0.19 * size)), 8 if size <= 24 else 6.5
    margin = 0.1 + _text_width(names, font)
    figure, [axes] = _figure(side, side, left=margin, bottom=margin, right=1.1)
    image = axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axes.set_xticks(range(size), names, rotation=90, fontsize=font)
    axes.set_yticks(range(size), names, fontsize=font)
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
