"""Makes docs/performance.svg and the tables of docs/performance.md from the JSON lines that the
benchmarks printed.

    python benchmarks/plot.py [docs/performance.jsonl]

The plot is written beside the file; the tables are printed, to be pasted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from tabulate import tabulate

Row = dict[str, object]
COLOURS = {"fp32": "#4477aa", "bf16": "#ee6677", "fp16": "#228833"}


def read(path: Path) -> list[Row]:
    """The lines of the benchmarks."""
    return [
        json.loads(line)
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("{")
    ]


def of(rows: list[Row], script: str) -> list[Row]:
    """The lines of one script."""
    return [row for row in rows if row["script"] == script]


def passes(rows: list[Row]) -> list[Row]:
    """The text tower's passes of the whole engine."""
    return [row for row in of(rows, "text_encoder") if not row["slower_without"]]


def plot_speed(axes: plt.Axes, rows: list[Row]) -> None:
    """How many times faster than the naive path."""
    rows = sorted(
        (row for row in passes(rows) if row["n_ctx"] == 16), key=lambda row: row["tokens_naive"]
    )
    names = list(dict.fromkeys(row["benchmark"] for row in rows))
    dtypes = list(dict.fromkeys(row["dtype"] for row in rows))
    for index, dtype in enumerate(dtypes):
        values = {row["benchmark"]: row["over_naive_fp32"] for row in rows if row["dtype"] == dtype}
        places = [names.index(name) + (index - (len(dtypes) - 1) / 2) * 0.4 for name in values]
        bars = axes.bar(places, list(values.values()), 0.38, label=dtype, color=COLOURS[dtype])
        axes.bar_label(bars, fmt="%.0fx", padding=2)
    axes.set_xticks(range(len(names)), names)
    axes.set_title("Text tower, forward + backward, 16 context vectors")
    axes.set_ylabel("times faster than 77 tokens a class, fp32")
    axes.legend(frameon=False)


def plot_savings(axes: plt.Axes, rows: list[Row]) -> None:
    """How much slower without each saving."""
    rows = [row for row in of(rows, "text_encoder") if "prefix" in row["slower_without"]]
    names = list(rows[0]["slower_without"])
    for index, row in enumerate(rows):
        places = [place + (index - (len(rows) - 1) / 2) * 0.4 for place in range(len(names))]
        label = f"{row['benchmark']}, {row['dtype']}"
        bars = axes.barh(
            places,
            [row["slower_without"][name] for name in names],
            0.38,
            label=label,
            color=["#66ccee", "#ccbb44"][index % 2],
        )
        axes.bar_label(bars, fmt="%.2fx", padding=2)
    axes.set_yticks(range(len(names)), [f"without {name}" for name in names])
    axes.invert_yaxis()
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_title("What each saving is worth")
    axes.set_xlabel("time over that of the whole engine")
    axes.legend(frameon=False, loc="lower right")


def plot_scaling(axes: plt.Axes, rows: list[Row]) -> None:
    """Milliseconds per class."""
    for row in of(rows, "scaling"):
        points = row["by_classes"]
        axes.plot(
            [p["classes"] for p in points],
            [p["ms_per_class"] for p in points],
            "o-",
            label=row["dtype"],
            color=COLOURS[row["dtype"]],
        )
        for point in points:
            axes.annotate(
                f"{point['memory_gb']} GB",
                (point["classes"], point["ms_per_class"]),
                (0, 7),
                textcoords="offset points",
                ha="center",
            )
    axes.set_xscale("log")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    axes.set_title(
        f"ImageNet-21k names, at most {of(rows, 'scaling')[0]['max_tokens']:,} tokens at once"
    )
    axes.set_xlabel("classes")
    axes.set_ylabel("ms per class, forward + backward")


def memory(row: Row) -> str:
    """The most memory in GB, and what of it libraries and a step take."""
    parts = f"{row['of_it_libraries_gb']:.1f}; {row['of_it_step_gb']:.1f}"
    return f"{row['peak_memory_gb']:.1f} ({parts})"


def print_tables(rows: list[Row]) -> None:
    """The figures as Markdown."""
    table = [
        [
            row["benchmark"],
            row["n_ctx"],
            row["classes"],
            f"{row['tokens']:,} ({row['tokens_naive']:,})",
            row["dtype"],
            row["seconds"],
            f"{row['over_naive_fp32']:.1f}x",
            f"{row['over_truncated_fp32']:.1f}x",
            f"{100 * row['share_of_matmul_rate']:.0f} %",
            memory(row),
        ]
        for row in passes(rows)
    ]
    head = [
        "prompts",
        "context",
        "classes",
        "tokens (naive)",
        "type",
        "seconds",
        "over naive fp32",
        "over truncation alone, fp32",
        "share of matmul rate",
        "peak GB (libraries; step)",
    ]
    print(tabulate(table, head, tablefmt="github", disable_numparse=True), end="\n\n")
    table = [
        [row["dtype"], row["seconds"], row["published_seconds"], f"{row['over_published']:.0f}x"]
        for row in of(rows, "train_step")
    ]
    print(
        tabulate(table, ["step, Plant-6", "seconds", "published way", "ratio"], tablefmt="github"),
        end="\n\n",
    )
    for row in of(rows, "scaling"):
        shown = ("classes", "tokens", "seconds", "ms_per_class", "memory_gb")
        table = [[point[name] for name in shown] for point in row["by_classes"]]
        print(
            tabulate(
                table,
                ["classes", "tokens", "seconds", "ms per class", "peak GB"],
                tablefmt="github",
            ),
            end="\n\n",
        )
        table = [
            [
                point["tasks"],
                point["tokens"],
                point["step"],
                point["tasks_in_batch"],
                point["batch_step"],
            ]
            for point in row["by_tasks"]
        ]
        head = ["tasks", "tokens", "all tasks, s", "tasks in a batch of 32", "these, s"]
        print(tabulate(table, head, tablefmt="github"), end="\n\n")
    print_scale(rows)
    for row in of(rows, "comparison"):
        table = [
            [
                method,
                f"{entry['parameters']:,}",
                entry.get("bank_seconds", ""),
                entry.get("online_seconds", ""),
                entry.get("once_seconds", ""),
            ]
            for method, entry in row["methods"].items()
            if "parameters" in entry
        ]
        head = ["method", "parameters", "step from the bank, s", "step online, s", "once, s"]
        print(tabulate(table, head, tablefmt="github"), end="\n\n")


def print_scale(rows: list[Row]) -> None:
    """What scale.py and parallel_step.py measured, a table for each part of theirs."""
    scale = of(rows, "scale")
    for row in scale:
        if row["part"] == "host":
            head = ["1,000 tasks; in a batch", "tasks", "step, ms", "towers, ms", "host, ms"]
            batches = {name: value for name, value in row.items() if isinstance(value, dict)}
            table = [[name, *value.values()] for name, value in batches.items()]
            print(tabulate(table, head, tablefmt="github"), end="\n\n")
    for part in ("papers", "memory"):
        found = [row for row in scale if row["part"] == part]
        shown = ("classes", "tokens", "dtype", "max_tokens", "seconds", "gb_before", "memory_gb")
        table = [[row.get(name, "") for name in shown] for row in found]
        if table:
            print(tabulate(table, [part, *shown[1:]], tablefmt="github"), end="\n\n")
    for part in ("plan", "evaluation", "start"):
        left_out = ("script", "part", "dtype", "device", "threads")
        for row in scale:
            if row["part"] == part:
                table = [[name, value] for name, value in row.items() if name not in left_out]
                print(tabulate(table, [part, ""], tablefmt="github"), end="\n\n")
    shown = ("benchmark", "dtype", "processes", "threads", "seconds")
    shown += ("seconds_of_one_process", "times_faster")
    table = [[row[name] for name in shown] for row in of(rows, "parallel_step")]
    if table:
        print(tabulate(table, shown, tablefmt="github"), end="\n\n")


def main() -> None:
    path = Path(
        sys.argv[1]
        if len(sys.argv) > 1
        else Path(__file__).resolve().parent.parent / "docs/performance.jsonl"
    )
    rows = read(path)
    figure, axes = plt.subplots(1, 3, figsize=(17, 4.6), layout="constrained")
    for draw, part in zip((plot_speed, plot_savings, plot_scaling), axes):
        draw(part, rows)
        part.spines[["top", "right"]].set_visible(False)
    plt.rcParams["svg.hashsalt"] = "softcpt"
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    print_tables(rows)


if __name__ == "__main__":
    main()
