"""The command ``softcpt transfer``: finds out which tasks help which."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from softcpt import plugins
from softcpt.cli.file_or_name import file_and_pairs, names_of
from softcpt.cli.grid import print_failures, run_jobs
from softcpt.cli.grid_flags import add_launch_flags
from softcpt.errors import UserError
from softcpt.grid.grid_file import named_file
from softcpt.study.study_file import GRADIENTS, READINGS, Study, check_readings, read_study
from softcpt.utils.console import run_command
from softcpt.utils.requirements import NO_MATPLOTLIB, is_installed

if TYPE_CHECKING:
    from softcpt.study.findings import Findings
    from softcpt.study.matrix import Matrix
    from softcpt.study.study_jobs import StudyJob, StudyPlan


DEFAULT = "transfer12"


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    flags = argparse.ArgumentParser(
        "softcpt transfer",
        description="Which tasks help which: train all pairs of tasks, or what is left of them, "
        "or let gradients tell, and train the groups that they suggest.",
        usage="softcpt transfer [STUDY] [flags] [KEY VALUE ...]",
        epilog="KEY VALUE pairs are settings of all runs. docs/transfer.md has more.",
    )
    add = flags.add_argument
    add(
        "words",
        nargs="*",
        metavar="STUDY KEY VALUE",
        help=f"a study file (.yaml), or one of {names_of('study file')} (default: {DEFAULT}, on "
        "what comes with the project); settings of all runs, as OPTIM.LR 0.01",
    )
    add("--root", help="folder of all data sets")
    add("--output", help="folder of all runs")
    add("--to", type=Path, help="folder of the report (default: study, in the output)")
    add(
        "--readings",
        metavar="A,B",
        help=f"in place of the file's: {', '.join(READINGS)}; gradients trains no pairs",
    )
    add(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="report of an earlier study of the same tasks, with whose pairs gradients are "
        "compared",
    )
    add_launch_flags(flags)
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; exits with 1 if a run failed, 2 and one line for mistakes of the user, 130 when
    interrupted."""
    args = parser().parse_intermixed_args(argv)
    run_command(lambda: run(args), debug=args.debug)


def run(args: argparse.Namespace) -> int:
    """Run pairs or gradients, then groups, and report; returns the exit status."""
    # Before anything is trained, not when all is.
    if not args.only_list and not is_installed("matplotlib"):
        print(f"figures will be left out: {NO_MATPLOTLIB}")
    file, words = file_and_pairs(args.words, "study file")
    file = file or named_file(DEFAULT, "study file")
    study = _given(args, read_study(file))
    from softcpt.study import findings as report
    from softcpt.study.affinities import affinities
    from softcpt.study.earlier import read_earlier
    from softcpt.study.matrix import matrices
    from softcpt.study.similarity import similarities
    from softcpt.study.study_jobs import StudyPlan

    plan = StudyPlan(study, words)
    earlier = read_earlier(args.against, plan.names) if args.against else None
    pairs = plan.of_pairs()
    if not _run(args, plan, pairs):
        return 0 if args.only_list else 1
    count = len(plan.names)
    findings = report.Findings(
        plan.names,
        _about(plan, file, args),
        matrices(pairs, count),
        similarities(plan.zero_shot, plan.numbers),
        affinities(pairs, count),
        earlier,
    )
    chosen_by = matrices(pairs, count, "val") if plan.validates else findings.matrices
    if study.groups and not _group(args, plan, findings, chosen_by):
        return 1
    print(f"read {report.write(findings, args.to or Path(study.output) / _report_folder(args))}")
    return 0


def _given(args: argparse.Namespace, study: Study) -> Study:
    """The study with what flags say otherwise."""
    given = {name: getattr(args, name) for name in ("root", "output", "workers")}
    if args.readings:
        given["readings"] = tuple(args.readings.replace(",", " ").split())
        check_readings(given["readings"], "--readings")
    study = replace(study, **{name: value for name, value in given.items() if value is not None})
    if args.against and GRADIENTS not in study.readings:
        raise UserError(
            "--against: an earlier study is compared with gradients; add --readings gradients"
        )
    return study


def _report_folder(args: argparse.Namespace) -> str:
    """Other readings than the study's do not write over its report."""
    return (
        f"study-{'-'.join(args.readings.replace(',', ' ').split())}" if args.readings else "study"
    )


def _about(plan: StudyPlan, file: Path, args: argparse.Namespace) -> str:
    study = plan.study
    flags = f" --readings {args.readings}" if args.readings else ""
    flags += f" --against {args.against}" if args.against else ""
    is_own = file in plugins.config_names("studies").values()
    seeds = ", ".join(map(str, study.seeds))
    return (
        f"{len(plan.names)} tasks of {study.data}, {study.shots} training image(s) per class, "
        f"seeds {seeds}, backbone {plan.zero_shot.MODEL.BACKBONE.NAME or 'tiny'}; made by "
        f"`python -m softcpt transfer {file.stem if is_own else file.name}{flags}`."
    )


def _run(args: argparse.Namespace, plan: StudyPlan, jobs: Sequence[StudyJob]) -> bool:
    """Run the jobs; returns whether all are done."""
    statuses = run_jobs(args, plan.grid, [job.planned for job in jobs])
    print_failures(statuses or {})
    return statuses is not None and all(status.state == "done" for status in statuses.values())


def _group(
    args: argparse.Namespace, plan: StudyPlan, findings: Findings, chosen_by: Sequence[Matrix]
) -> bool:
    """Train what each method's first matrix and its gradients suggest, and all tasks together;
    returns whether all is done."""
    from softcpt.study.suggestions import grouping_of, suggested_groups

    everything = list(range(len(plan.names)))
    suggested = suggested_groups(plan, findings, chosen_by)
    jobs: dict[str, list[StudyJob]] = {}
    for name, one in suggested.items():
        smaller = [group for group in one.groups if group != everything]
        jobs[name] = plan.of_groups(one.method, [everything, *smaller])
    if not _run(args, plan, list(chain.from_iterable(jobs.values()))):
        return False
    for name, mine in jobs.items():
        findings.groupings[name] = grouping_of(plan.study, suggested[name], mine)
    return True


if __name__ == "__main__":
    main()
