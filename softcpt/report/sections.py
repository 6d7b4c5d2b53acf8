"""Makes a report: benchmarks with their tables, comparisons and relations, as dataclasses.

The writers of the pages (markdown_page.py, html_page.py) and of all files (write.py) import this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from softcpt.report.accuracy_tables import few_shot_tables, missing_runs, task_tables
from softcpt.report.base_new_tables import base_new_tables
from softcpt.report.benchmark import Benchmark
from softcpt.report.build_benchmarks import benchmarks
from softcpt.report.collect import Collection, collect
from softcpt.report.comparison_tables import contest_tables, cost_table, settings_table
from softcpt.report.comparisons import Contest, contests
from softcpt.report.groups import Group, differing, group_results
from softcpt.report.more_figures import figures_table
from softcpt.report.relations import Relations, relations
from softcpt.report.table import Table
from softcpt.utils.files import name_for_file


@dataclass(frozen=True)
class Section:
    """A benchmark with all of its tables; ``slug`` begins its file names; ``notes`` say what is
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
        paths: folders or files.
        metric: the figure of every task (run_result.METRICS).
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
    found = contests(benchmark)
    tables = [*few_shot_tables(benchmark), *base_new_tables(benchmark)]
    for each in found:
        tables += contest_tables(benchmark, each, explain=each is found[0])
    for table in (
        cost_table(benchmark),
        settings_table(benchmark),
        figures_table(benchmark),
    ):
        if table:
            tables.append(table)
    tables += task_tables(benchmark)
    notes = [
        f"missing: {text}"
        for classes in benchmark.classes()
        for text in missing_runs(benchmark, classes)
    ]
    notes += dict.fromkeys(benchmark.warnings)
    return Section(
        benchmark, _free_slug(benchmark, taken), found, tables, relations(benchmark), notes
    )


def _free_slug(benchmark: Benchmark, taken: set[str]) -> str:
    """Letters and digits of the benchmark's name and backbone, numbered where that is taken."""
    name = f"{benchmark.name}-{benchmark.backbone}"
    slug = name_for_file(name).lower()
    while slug in taken:
        slug += "-2"
    return slug


def setting_text(value: Any) -> str:
    """A setting's value for a table; None: some runs do not say it."""
    if value is None:
        return "not given"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
