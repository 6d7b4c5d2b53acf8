"""What training changed: every task and class before, by hand-written prompts, and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from softcpt.report.inspection.part import Part, percent, table
from softcpt.report.inspection.run_files import RunFiles
from softcpt.report.run_result import ZERO_SHOT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Before and after, by task and by class"
_SHOWN = 16  # classes that gained most, and as many that lost most


@dataclass(frozen=True)
class Change:
    """Accuracy in % of a task or a class, and its test images; ``before`` None: not measured."""

    name: str
    task: str
    images: int
    before: float | None
    after: float

    @property
    def gain(self) -> float:
        """Points gained; 0 where nothing is known of before."""
        return 0.0 if self.before is None else self.after - self.before


def changes(method: str, measured: Mapping[str, Any], run: RunFiles | None, why: str) -> Part:
    """Of a trained prompt.

    Args:
        method: its name.
        measured: what its artefact knows, see :class:`softcpt.artefacts.record.Record`.
        run: the run that left it, which knows the classes too.
        why: there is no run.
    """
    tasks = of_tasks(method, run.results if run else _last(measured))
    if not tasks:
        return Part(TITLE, missing=["it was not tested"])
    compared = any(change.before is not None for change in tasks)
    missing = [] if compared else ["zero-shot CLIP was not tested beside it"]
    classes = of_classes(method, run) if run else []
    if not run:
        missing.append(f"no figures of classes: {why}")
    head = ["task", "images", "before, %", "after, %", "gain"]
    tables = [table("Accuracy of tasks", head, [_row(change) for change in tasks])]
    pictures = [
        ("accuracy-tasks", "accuracy of every task before and after", _dumbbells(tasks, "tasks"))
    ]
    shown = most_changed(classes)
    if shown:
        rows = [[change.task, *_row(change)] for change in shown]
        title = "Classes"
        if len(shown) < len(classes):
            title = "Classes that changed most" if compared else "Classes that are right least"
        tables.append(table(title, ["task", "class", *head[1:]], rows, labels=2))
        caption = f"{title.lower()}: accuracy before and after"
        pictures.append(
            ("accuracy-classes", caption, _dumbbells(shown, title.lower(), with_task=True))
        )
    text = [
        (
            "Before is zero-shot CLIP with each task's template, after is the trained prompt, on "
            "the same test images. A class has few of them: its figure moves in large steps."
        )
    ]
    records = [_record("task", one) for one in tasks] + [_record("class", one) for one in classes]
    return Part(TITLE, text, tables, pictures, {"accuracy": records}, missing)


def _last(measured: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of the split that counts: the last that was measured."""
    found: Mapping[str, Any] = list(measured.values())[-1] if measured else {}
    return found


def of_tasks(method: str, results: Mapping[str, Any]) -> list[Change]:
    """From results.json, or what an artefact keeps of it."""
    figures = results.get("tasks", {})
    before = {task["name"]: task["accuracy"] for task in figures.get(ZERO_SHOT, [])}
    return [
        Change(name, name, task["total"], before.get(name), task["accuracy"])
        for task in figures.get(method, [])
        for name in [task["name"]]
    ]


def of_classes(method: str, run: RunFiles) -> list[Change]:
    """Of the classes that have test images."""
    before, found = run.figures(ZERO_SHOT), []
    for name, task in run.figures(method).items():
        counts, own = task.get("per_class"), before.get(name, {}).get("per_class")
        if counts is None:
            continue
        for place, class_name in enumerate(run.results["class_names"][name]):
            images = counts["images"][place]
            if images:
                old = own and 100 * own["correct"][place] / images
                new = 100 * counts["correct"][place] / images
                found.append(Change(class_name, name, images, old, new))
    return found


def most_changed(classes: Sequence[Change]) -> list[Change]:
    """Those that gained most, then those that lost most; all where there are few."""
    ordered = sorted(classes, key=lambda change: -change.gain)
    if len(ordered) <= 2 * _SHOWN:
        return ordered
    if all(change.before is None for change in ordered):
        return sorted(ordered, key=lambda change: change.after)[: 2 * _SHOWN]
    gained = [change for change in ordered if change.gain > 0]
    lost = [change for change in ordered if change.gain < 0]
    return gained[:_SHOWN] + lost[-_SHOWN:]


def _row(change: Change) -> list[str]:
    gain = "–" if change.before is None else f"{change.gain:+.1f}".replace("-", "−")
    return [
        change.name,
        f"{change.images:,}",
        percent(change.before),
        percent(change.after),
        gain,
    ]


def _record(kind: str, change: Change) -> dict[str, Any]:
    return {
        "kind": kind,
        "task": change.task,
        "name": change.name,
        "images": change.images,
        "before": change.before,
        "after": change.after,
    }


def _dumbbells(rows: Sequence[Change], what: str, with_task: bool = False) -> Figure:
    """A line from before to after for each row, the first on top."""
    import matplotlib

    from softcpt.report.method_styles import COLOURS, NEUTRAL
    from softcpt.report.plot_frame import STYLE, panels, short_name, text_width

    names = [short_name(row.name) for row in rows]
    if with_task:
        names = [f"{name} · {short_name(row.task)}" for name, row in zip(names, rows)]
    with matplotlib.rc_context(STYLE):
        height = max(0.8, 0.2 * len(rows))
        figure, [axes] = panels(4.2, height, left=0.2 + text_width(names, 8), top=0.35)
        places = range(len(rows))
        for place, row in zip(places, rows):
            if row.before is not None:
                colour = COLOURS[2] if row.gain >= 0 else COLOURS[1]
                axes.plot([row.before, row.after], [place] * 2, color=colour, lw=2, alpha=0.7)
        before = [(row.before, place) for place, row in zip(places, rows) if row.before is not None]
        if before:
            axes.plot(*zip(*before), "o", color=NEUTRAL, ms=5, mfc="white", label="before")
        axes.plot([row.after for row in rows], places, "o", color=COLOURS[0], ms=4.5, label="after")
        axes.set_yticks(places, names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(-3, 103)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"accuracy of {what}, %")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return figure
