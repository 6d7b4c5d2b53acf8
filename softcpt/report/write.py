"""Writes a report: tables, figures, the Markdown page and the HTML page."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tqdm import tqdm

from softcpt.report.class_figures import class_records, confusion_records
from softcpt.report.formats import csv_text, latex
from softcpt.report.html_page import html_page
from softcpt.report.markdown_page import markdown_page
from softcpt.report.plot_frame import STYLE
from softcpt.report.sections import Report, Section
from softcpt.utils.files import atomic_write
from softcpt.utils.requirements import is_installed

FORMATS = ("md", "html", "tex", "csv", "png", "svg")
PICTURES = ("png", "svg")

Drawn = list[tuple[str, Path | None]]  # (caption, path); None: there is no matplotlib


def write_report(report: Report, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write the report into ``folder``; returns the files, those to read first at the beginning.

    Args:
        report: what to write.
        folder: made if it is not there; files of the same names are replaced.
        formats: of FORMATS. Without matplotlib png and svg are left out, and report.md has a line
            in the place of each figure.
    """
    pictures = [name for name in formats if name in PICTURES]
    figures: dict[str, Drawn] = {}
    if pictures and not is_installed("matplotlib"):
        figures = {section.slug: _left_out(section) for section in report.sections}
    elif pictures:
        figures = _write_figures(report, folder / "figures", pictures)
    written = []
    if "html" in formats:
        written.append(_write(folder / "report.html", html_page(report)))
    if "md" in formats:
        shown = {
            slug: [(caption, path and path.relative_to(folder)) for caption, path in mine]
            for slug, mine in figures.items()
        }
        written.append(_write(folder / "report.md", markdown_page(report, shown)))
    if "csv" in formats:
        for kind, records in _records(report).items():
            written.append(_write(folder / "tables" / f"{kind}.csv", csv_text(records)))
    if "tex" in formats:
        for section in report.sections:
            for table in section.tables:
                path = folder / "tables" / f"{section.slug}-{table.slug}.tex"
                written.append(_write(path, latex(table)))
    for mine in figures.values():
        written += [path for _, path in mine if path]
    return written


def _write(path: Path, text: str) -> Path:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _left_out(section: Section) -> Drawn:
    from softcpt.report.plots import figures

    return [(figure.caption, None) for figure in figures(section.benchmark, section.relations)]


def _write_figures(report: Report, folder: Path, formats: Sequence[str]) -> dict[str, Drawn]:
    """Drawing is most of a report's time: of several benchmarks in two processes."""
    if len(report.sections) < 3:
        return {section.slug: _draw(section, folder, formats) for section in report.sections}
    longest_first = sorted(report.sections, key=lambda section: -len(section.benchmark.tasks))
    # A fork of a process with threads may hang.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        jobs = {
            section.slug: pool.submit(_draw, section, folder, formats) for section in longest_first
        }
        done = as_completed(jobs.values())
        for job in tqdm(done, "drawing", len(jobs), unit="benchmark", delay=2, leave=False):
            job.result()
    return {section.slug: jobs[section.slug].result() for section in report.sections}


def _draw(section: Section, folder: Path, formats: Sequence[str]) -> Drawn:
    import matplotlib

    from softcpt.report.plots import figures

    written: Drawn = []
    with matplotlib.rc_context(STYLE):
        for name, caption, draw in figures(section.benchmark, section.relations):
            figure = draw()
            for kind in formats:
                path = folder / f"{section.slug}-{name}.{kind}"
                with atomic_write(path) as temporary:
                    # Without the date, so that the same runs make the same file.
                    metadata = {"Date": None} if kind == "svg" else None
                    figure.savefig(temporary, format=kind, dpi=160, metadata=metadata)
                written.append((caption, path))
    return written


def _records(report: Report) -> dict[str, list[dict[str, Any]]]:
    """Records for the CSV files, by kind of table; and one per run."""
    kinds: dict[str, list[dict[str, Any]]] = {"runs": []}
    for section in report.sections:
        for table in section.tables:
            if table.records:
                kinds.setdefault(table.kind, []).extend(table.records)
        kinds["runs"] += _run_records(section)
        for kind, of_classes in (("classes", class_records), ("confusions", confusion_records)):
            if records := list(of_classes(section.benchmark)):
                kinds.setdefault(kind, []).extend(records)
    return kinds


def _run_records(section: Section) -> list[dict[str, Any]]:
    benchmark = section.benchmark
    records = []
    for place in benchmark.places():
        for run in benchmark.runs[place]:
            record = {
                "group": benchmark.group,
                "benchmark": benchmark.name,
                **place._asdict(),
                "dataset": run.dataset,
                "mean": benchmark.mean(place),
                "path": run.path,
                "options": json.dumps(run.options, ensure_ascii=False),
            }
            records.append(record)
    return records
