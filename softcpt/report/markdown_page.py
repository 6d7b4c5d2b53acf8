"""Writes a report as one Markdown page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from softcpt.report.formats import markdown, markdown_text
from softcpt.report.published import published_remarks, published_source
from softcpt.report.sections import Report, Section, setting_text
from softcpt.report.table import Cell, Row, Table
from softcpt.utils.requirements import NO_MATPLOTLIB

Drawn = Sequence[tuple[str, Path | None]]


def markdown_page(report: Report, figures: Mapping[str, Drawn]) -> str:
    """The page's text.

    Args:
        report: what to write.
        figures: slug of a section -> (caption, path from the report's folder); None: not drawn,
            since there is no matplotlib.
    """
    parts = ["# Comparison of runs", _summary(report), "## Settings", *_settings(report)]
    for section in report.sections:
        parts += _section(section, figures.get(section.slug, ()), len(report.groups) > 1)
    if report.collection.left_out:
        items = [
            f"- {markdown_text(path)}: {markdown_text(why)}"
            for path, why in report.collection.left_out
        ]
        parts += ["## Left out", "\n".join(items)]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _summary(report: Report) -> str:
    metric = report.metric.replace("_", " ")
    figure = "each task's own metric" if metric == "metric" else metric
    text = f"{report.collection.files} runs read; figures are {figure}, in %. "
    if len(report.groups) == 1:
        text += "All runs were made under the same settings."
    else:
        text += (
            f"They were made under {len(report.groups)} different settings, and only runs of one "
            "group are compared."
        )
    if report.ignored:
        text += f" Not looked at (--ignore): {', '.join(report.ignored)}."
    return text


def _settings(report: Report) -> list[str]:
    parts = []
    if report.shared:
        rows = [Row([Cell(key), Cell(setting_text(value))]) for key, value in report.shared.items()]
        parts.append(
            markdown(Table("", "", "The same in all runs", ["setting", "value"], rows, labels=2))
        )
    if report.differing:
        head = ["setting", *(f"group {number}" for number in range(1, len(report.groups) + 1))]
        rows = [
            Row([Cell(key), *map(Cell, map(setting_text, values))])
            for key, values in report.differing.items()
        ]
        parts.append(
            markdown(Table("", "", "What differs between groups", head, rows, labels=len(head)))
        )
    return parts


def _section(section: Section, figures: Drawn, grouped: bool) -> list[str]:
    benchmark = section.benchmark
    title = f"## {markdown_text(benchmark.name)} · {markdown_text(benchmark.backbone)}"
    if grouped:
        title += f" (group {benchmark.group})"
    parts = [title, "\n".join(f"- {markdown_text(text)}" for text in section.notes)]
    parts += [markdown(table) for table in section.tables if not table.folded]
    if benchmark.published:
        parts.append(_published())
    shown: set[str] = set()
    for caption, path in figures:
        text = markdown_text(caption)
        if path is None:
            parts.append(f"*Figure left out ({text}): {NO_MATPLOTLIB}*")
        elif path.stem not in shown:  # one of the formats of a figure
            shown.add(path.stem)
            parts.append(f"![{text}]({path.as_posix()})\n\n{text}.")
    return parts + [markdown(table) for table in section.tables if table.folded]


def _published() -> str:
    lines = [f"Published figures: {markdown_text(published_source())}.", ""]
    lines += [f"- {markdown_text(remark)}" for remark in published_remarks()]
    return "\n".join(lines)
