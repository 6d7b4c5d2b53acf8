"""Runs ``softcpt report OUT...``: tables, statistics, plots and a page from finished runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from softcpt.errors import UserError
from softcpt.report.run_result import METRICS
from softcpt.utils.requirements import NO_MATPLOTLIB, is_installed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add folders and options to ``parser``."""
    add = parser.add_argument
    add(
        "folders",
        nargs="+",
        type=Path,
        metavar="OUT",
        help="output folders (or files) of runs; results.json is read, and "
        "log.txt of CoOp-family programs where there is none",
    )
    add(
        "--to",
        type=Path,
        default=Path("report"),
        metavar="FOLDER",
        help="where the report goes (default: %(default)s)",
    )
    add(
        "--metric",
        choices=METRICS,
        default="metric",
        help="figure of every task; metric: the one its benchmark prescribes",
    )
    add(
        "--ignore",
        action="append",
        default=[],
        metavar="SETTING",
        help="a setting that need not be the same in all runs, "
        "or a pattern as 'versions.*'; may be repeated, and is printed in the report",
    )
    add(
        "--formats",
        help="what to write (default: md,html,tex,csv,png,svg; png and svg need matplotlib)",
    )


def main(args: argparse.Namespace) -> int:
    """Write the report; 0."""
    from softcpt.report.formats import plain
    from softcpt.report.sections import make_report
    from softcpt.report.write import write_report

    formats = _formats(args.formats)
    report = make_report(args.folders, args.metric, args.ignore)
    for section in report.sections:
        for table in section.tables:
            if table.slug == "few-shot" or (table.kind == "base-new" and not table.folded):
                print(plain(table) + "\n")
    written = write_report(report, args.to, formats)
    if len(report.groups) > 1:
        print(
            f"{len(report.groups)} groups of settings; these differ: {', '.join(report.differing)}"
        )
    for path, why in report.collection.left_out:
        print(f"left out: {path}: {why}")
    if args.formats is None and not is_installed("matplotlib"):
        print(f"figures are left out: {NO_MATPLOTLIB}")
    print(f"{report.collection.files} runs; read {written[0]} ({len(written)} files in {args.to})")
    return 0


def _formats(text: str | None) -> Sequence[str]:
    from softcpt.report.write import FORMATS, PICTURES

    if text is None:
        return FORMATS
    formats = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise UserError(f"--formats {text}: no such format; choose from {', '.join(FORMATS)}")
    if set(PICTURES) & set(formats) and not is_installed("matplotlib"):
        raise UserError(f"--formats {text}: {NO_MATPLOTLIB}, or --formats md,html")
    return formats
