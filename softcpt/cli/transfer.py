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
from softcpt.grid.grid_file import named_file
from softcpt.study.study_file import Study, read_study
from softcpt.utils.console import run_command
from softcpt.utils.requirements import NO_MATPLOTLIB, is_installed

if TYPE_CHECKING:
    from softcpt.study.findings import Findings, Grouping
    from softcpt.study.matrix import Matrix
    from softcpt.study.study_jobs import StudyJob, StudyPlan


DEFAULT = "transfer12"
_CHOSEN_ON_VALIDATION = "on validation images"
_CHOSEN_ON_TEST = (
    "on the test images themselves, which flatters them: there are no validation images apart "
    "from them"
)


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    flags = argparse.ArgumentParser(
        "softcpt transfer",
        description="Which tasks help which: train all pairs of tasks, or what is left of them, "
        "and the groups that they suggest.",
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
    add_launch_flags(flags)
    return flags


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; exits with 1 if a run failed, 2 and one line for mistakes of the user, 130 when
    interrupted."""
    args = parser().parse_intermixed_args(argv)
    run_command(lambda: run(args), debug=args.debug)


def run(args: argparse.Namespace) -> int:
    """Run pairs, then groups, and report; returns the exit status."""
    # Before anything is trained, not when all is.
    if not args.only_list and not is_installed("matplotlib"):
        print(f"figures will be left out: {NO_MATPLOTLIB}")
    file, words = file_and_pairs(args.words, "study file")
    file = file or named_file(DEFAULT, "study file")
    given = {name: getattr(args, name) for name in ("root", "output", "workers")}
    study = read_study(file)
    study = replace(study, **{name: value for name, value in given.items() if value is not None})
    from softcpt.study import findings as report
    from softcpt.study.matrix import matrices
    from softcpt.study.similarity import similarities
    from softcpt.study.study_jobs import StudyPlan

    plan = StudyPlan(study, words)
    pairs = plan.of_pairs()
    if not _run(args, plan, pairs):
        return 0 if args.only_list else 1
    count = len(plan.names)
    findings = report.Findings(
        plan.names,
        _about(plan, file),
        matrices(pairs, count),
        similarities(plan.zero_shot, plan.numbers),
        _CHOSEN_ON_VALIDATION if plan.validates else _CHOSEN_ON_TEST,
    )
    chosen_by = matrices(pairs, count, "val") if plan.validates else findings.matrices
    if study.groups and not _group(args, plan, findings, chosen_by):
        return 1
    print(f"read {report.write(findings, args.to or Path(study.output) / 'study')}")
    return 0


def _about(plan: StudyPlan, file: Path) -> str:
    study = plan.study
    is_own = file in plugins.config_names("studies").values()
    seeds = ", ".join(map(str, study.seeds))
    return (
        f"{len(plan.names)} tasks of {study.data}, {study.shots} training image(s) per class, "
        f"seeds {seeds}, backbone {plan.zero_shot.MODEL.BACKBONE.NAME or 'tiny'}; made by "
        f"`python -m softcpt transfer {file.stem if is_own else file.name}`."
    )


def _run(args: argparse.Namespace, plan: StudyPlan, jobs: Sequence[StudyJob]) -> bool:
    """Run the jobs; returns whether all are done."""
    statuses = run_jobs(args, plan.grid, [job.planned for job in jobs])
    print_failures(statuses or {})
    return statuses is not None and all(status.state == "done" for status in statuses.values())


def _group(
    args: argparse.Namespace, plan: StudyPlan, findings: Findings, chosen_by: Sequence[Matrix]
) -> bool:
    """Train what each method's first matrix suggests, and all tasks together; returns whether all
    is done."""
    from softcpt.study.task_groups import suggest

    everything = list(range(len(plan.names)))
    first = {matrix.method: matrix for matrix in reversed(chosen_by)}
    groups = {method: suggest(matrix.gains) for method, matrix in first.items()}
    jobs: dict[str, list[StudyJob]] = {}
    for method, found in groups.items():
        smaller = [group for group in found if group != everything]
        jobs[method] = plan.of_groups(method, [everything, *smaller])
    if not _run(args, plan, list(chain.from_iterable(jobs.values()))):
        return False
    for method, mine in jobs.items():
        findings.groupings[method] = _grouping(plan.study, findings, groups[method], method, mine)
    return True


def _grouping(
    study: Study,
    findings: Findings,
    groups: list[list[int]],
    method: str,
    jobs: Sequence[StudyJob],
) -> Grouping:
    from softcpt.study.findings import Grouping
    from softcpt.study.matrix import scores_of

    alone = next(matrix.alone for matrix in findings.matrices if matrix.method == method)
    together, grouped = alone.copy(), alone.copy()
    for job in jobs:
        seed = study.seeds.index(job.seed)
        for task, value in scores_of(job).items():
            if len(job.tasks) == len(findings.names):
                together[seed, task] = value
            if list(job.tasks) in groups:
                grouped[seed, task] = value
    return Grouping(groups, together, grouped)


if __name__ == "__main__":
    main()
