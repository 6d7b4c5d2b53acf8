"""A report: what was read, what stands together, and all of it on disk."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from softcpt.report.accuracy_tables import few_shot_tables, missing_runs, task_tables
from softcpt.report.assemble import benchmarks
from softcpt.report.base_new_tables import base_new_tables
from softcpt.report.benchmark import Benchmark
from softcpt.report.collect import Collection, collect
from softcpt.report.comparison_tables import contest_tables, cost_table, settings_table
from softcpt.report.comparisons import Contest, contests
from softcpt.report.formats import csv_text, latex
from softcpt.report.groups import Group, differing, group_results
from softcpt.report.relations import Relations, relations
from softcpt.report.table import Table
from softcpt.utils.files import atomic_write

FORMATS = ("md", "html", "tex", "csv", "png", "svg")


@dataclass(frozen=True)
class Section:
    """A benchmark with all of its tables; ``slug`` begins its file names; ``notes`` tell what is
    missing or odd."""

    benchmark: Benchmark
    slug: str
    contests: Sequence[Contest]
    tables: Sequence[Table]
    relations: Sequence[Relations]
    notes: Sequence[str]


@dataclass(frozen=True)
class Report:
    """Sections by group of settings, what was read, and which figure of the tasks it is about."""

    collection: Collection
    groups: Sequence[Group]
    sections: Sequence[Section]
    metric: str
    ignored: Sequence[str]

    @property
    def shared(self) -> dict[str, Any]:
        """Settings that all runs have in common."""
        return {
            key: value
            for key, value in self.groups[0].settings.items()
            if key not in self.differing
        }

    @property
    def differing(self) -> dict[str, list[Any]]:
        """Setting -> its value in every group, where groups differ."""
        return differing(self.groups)


def make_report(
    paths: Sequence[Path], metric: str = "metric", ignore: Sequence[str] = ()
) -> Report:
    """Read all runs below ``paths`` and compare those that can be compared.

    Args:
        metric: the figure of every task (result.METRICS).
        ignore: patterns of settings that need not be equal.

    Raises:
        UserError: nothing to report on.
    """
    found = collect(paths)
    groups = group_results(found.results, ignore)
    sections: list[Section] = []
    for number, group in enumerate(
        tqdm(groups, "comparing", unit="group", delay=2, leave=False), 1
    ):
        for benchmark in benchmarks(group, number, metric):
            sections.append(_section(benchmark, {section.slug for section in sections}))
    return Report(found, groups, sections, metric, ignore)


def _section(benchmark: Benchmark, taken: set[str]) -> Section:
    slug = (
        "".join(c if c.isalnum() else "-" for c in f"{benchmark.name}-{benchmark.backbone}")
        .strip("-")
        .lower()
    )
    while slug in taken:
        slug += "-2"
    found = contests(benchmark)
    tables = [*few_shot_tables(benchmark), *base_new_tables(benchmark)]
    tables += [
        table
        for each in found
        for table in contest_tables(benchmark, each, explain=each is found[0])
    ]
    tables += [table for table in (cost_table(benchmark), settings_table(benchmark)) if table]
    missing = [
        f"missing: {text}"
        for classes in benchmark.classes()
        for text in missing_runs(benchmark, classes)
    ]
    notes = [*missing, *dict.fromkeys(benchmark.warnings)]
    return Section(
        benchmark, slug, found, [*tables, *task_tables(benchmark)], relations(benchmark), notes
    )


def setting_text(value: Any) -> str:
    """A setting's value for a table; None: some runs do not tell it."""
    return (
        "not told"
        if value is None
        else ", ".join(map(str, value))
        if isinstance(value, list)
        else str(value)
    )


def write_report(report: Report, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write the report into ``folder``; returns the files, the ones to read first at the
    beginning."""
    from softcpt.report.markdown import markdown_report

    figures = _write_figures(
        report, folder / "figures", [name for name in formats if name in ("png", "svg")]
    )
    written = []
    if "html" in formats:
        from softcpt.report.page import page

        written.append(_write(folder / "report.html", page(report)))
    if "md" in formats:
        shown = {
            slug: [(caption, path.relative_to(folder)) for caption, path in mine]
            for slug, mine in figures.items()
        }
        written.append(_write(folder / "report.md", markdown_report(report, shown)))
    if "csv" in formats:
        written += [
            _write(folder / "tables" / f"{kind}.csv", csv_text(mine))
            for kind, mine in _records(report).items()
        ]
    if "tex" in formats:
        written += [
            _write(folder / "tables" / f"{section.slug}-{table.slug}.tex", latex(table))
            for section in report.sections
            for table in section.tables
        ]
    return written + [path for mine in figures.values() for _, path in mine]


def _write(path: Path, text: str) -> Path:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _write_figures(
    report: Report, folder: Path, formats: Sequence[str]
) -> dict[str, list[tuple[str, Path]]]:
    """Slug of the section -> (caption, path) of its figures. Drawing is most of a report's time: in
    two processes."""
    if not formats:
        return {}
    if len(report.sections) < 3:
        return {
            section.slug: _draw(section.benchmark, section.relations, section.slug, folder, formats)
            for section in report.sections
        }
    sections = sorted(report.sections, key=lambda section: -len(section.benchmark.tasks))
    with ProcessPoolExecutor(
        2, multiprocessing.get_context("spawn")
    ) as pool:  # a fork of a process with threads may hang
        jobs = {
            section.slug: pool.submit(
                _draw, section.benchmark, section.relations, section.slug, folder, formats
            )
            for section in sections
        }
        for job in tqdm(
            as_completed(jobs.values()),
            "drawing",
            len(jobs),
            unit="benchmark",
            delay=2,
            leave=False,
        ):
            job.result()
    return {section.slug: jobs[section.slug].result() for section in report.sections}


def _draw(
    benchmark: Benchmark,
    alike: Sequence[Relations],
    slug: str,
    folder: Path,
    formats: Sequence[str],
) -> list[tuple[str, Path]]:
    from softcpt.report.plots import figures

    written = []
    for name, caption, figure in figures(benchmark, alike):
        for kind in formats:
            path = folder / f"{slug}-{name}.{kind}"
            with atomic_write(path) as temporary:
                figure.savefig(temporary, format=kind, dpi=160)
            written.append((caption, path))
    return written


def _records(report: Report) -> dict[str, list[dict[str, Any]]]:
    """Records for the CSV files, by kind of table; and one per run."""
    kinds: dict[str, list[dict[str, Any]]] = {"runs": []}
    for section in report.sections:
        for table in section.tables:
            if table.records:
                kinds.setdefault(table.kind, []).extend(table.records)
        for place in section.benchmark.places():
            for run in section.benchmark.runs[place]:
                kinds["runs"].append(
                    {
                        "group": section.benchmark.group,
                        "benchmark": section.benchmark.name,
                        **place._asdict(),
                        "dataset": run.dataset,
                        "mean": section.benchmark.mean(place),
                        "path": run.path,
                        "options": json.dumps(run.options, ensure_ascii=False),
                    }
                )
    return kinds
