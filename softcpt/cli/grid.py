"""``python -m softcpt grid``: the command."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from softcpt.errors import UserError
from softcpt.grid.launchers import LAUNCHERS
from softcpt.grid.spec import Grid, entries, read_grid
from softcpt.utils.console import run_command

if TYPE_CHECKING:
    from softcpt.grid.jobs import Job, Planned
    from softcpt.grid.state import Status

# Where KEY VALUE pairs begin behind a flag that takes a list.
_KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)+$")


def parser() -> argparse.ArgumentParser:
    """The command's flags. Those of the grid replace what the grid file says."""
    flags = argparse.ArgumentParser(
        "softcpt grid",
        description="Run methods x data x backbones x shots x seeds, or what is left of them.",
        usage="softcpt grid [GRID.yaml] [flags] [KEY VALUE ...]",
        epilog="KEY VALUE pairs are settings of all jobs (train.py --show-config lists them). docs/grid.md has more.",
    )
    add = flags.add_argument
    add(
        "words",
        nargs="*",
        metavar="GRID.yaml KEY VALUE",
        help="a grid file; settings of all jobs, as OPTIM.LR 0.01",
    )
    add_launch_flags(flags)
    grid = flags.add_argument_group("in place of the grid file's keys")
    for name, alias, text in (
        ("--methods", "--trainers", "trainers, or methods by name (SoftCPT-NATS)"),
        ("--data", "--dataset-config-file", "names in configs/datasets, or files"),
        ("--backbones", "--backbone", "names of CLIP models (default: the configuration's)"),
        ("--shots", "--num-shots", "images per class"),
        ("--seeds", "--seed", "seeds"),
    ):
        grid.add_argument(name, alias, nargs="+", action=_List, help=text)
    grid.add_argument(
        "--config", "--config-file", help="name in configs/trainers/<trainer> or /shared, or a file"
    )
    grid.add_argument("--output", help="folder of all runs (default: output)")
    grid.add_argument(
        "--layout",
        help="a run's folder below it, as {data}/{method}/{config}_{shots}shots/seed{seed}",
    )
    grid.add_argument("--root", help="folder of all data sets")
    grid.add_argument(
        "--base-to-new",
        action="store_true",
        default=None,
        help="train on the first half of each task's classes, then test on the others",
    )
    return flags


def add_launch_flags(flags: argparse.ArgumentParser) -> None:
    """How jobs are run."""
    add = flags.add_argument
    add(
        "--launcher",
        choices=tuple(LAUNCHERS),
        default="local",
        help="where jobs run (default: local, on this machine)",
    )
    add("--workers", type=int, help="jobs at a time (default: one per GPU, or one)")
    add(
        "--attempts",
        type=int,
        default=3,
        help="how often a job is tried whose worker dies (default: 3)",
    )
    add(
        "--list",
        "--dry-run",
        action="store_true",
        dest="only_list",
        help="show all jobs, and run none",
    )
    add("--debug", action="store_true", help="show the traceback of errors")


class _List(argparse.Action):
    """A list that ends where a KEY begins: what follows is for KEY VALUE pairs."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        args: argparse.Namespace,
        values: list[str],
        option: str | None = None,
    ) -> None:
        end = next((place for place, value in enumerate(values) if _KEY.match(value)), len(values))
        setattr(args, self.dest, values[:end])
        args.behind = [*getattr(args, "behind", []), *values[end:]]


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; exits with 1 if a job failed, 2 and one line for mistakes of the user, 130 when
    interrupted."""
    args = parser().parse_intermixed_args(argv)
    run_command(lambda: run(args), debug=args.debug)


def run(args: argparse.Namespace) -> int:
    """Plan, tell, and run the jobs; returns the exit status."""
    grid, pairs = _grid(args)
    from softcpt.grid.jobs import plan_jobs

    planned = plan_jobs(grid, pairs)
    statuses = run_jobs(args, grid, planned)
    return 0 if statuses is None else _conclude(planned, statuses)


def run_jobs(
    args: argparse.Namespace, grid: Grid, planned: Sequence[Planned]
) -> dict[Job, Status] | None:
    """Check that the comparison is fair, tell what there is to do, and do what is left of it.

    Returns:
        how every job stands; None if they were only to be listed.

    Raises:
        UserError: jobs that are to be compared have different settings, or a folder holds another
            run.
    """
    from softcpt.grid import fairness, state, table
    from softcpt.grid.estimate import Times, in_words, seconds_of
    from softcpt.grid.local import resources

    fairness.check_settings(planned, grid.may_differ)
    for plan in planned:
        state.is_done(
            plan.job.folder, plan.cfg
        )  # refuses a folder that holds a run with other settings
    shares = resources(grid.workers)
    output, jobs = str(Path(grid.output).expanduser().absolute()), [plan.job for plan in planned]
    device = _device()
    if args.launcher == "local":
        device += f", {shares.workers} worker(s) of {shares.threads} thread(s)"
    print("*** settings that all jobs share ***")
    for name, value in fairness.describe(planned, device):
        print(f"{name}: {value}")
    statuses = {job: state.status(output, job.folder) for job in jobs}
    known = {
        job: seconds for job in jobs if (seconds := seconds_of(job, statuses[job])) is not None
    }
    if args.only_list:
        print(f"\n{table.listing(statuses)}")
    print(f"\n{table.overview(statuses)}")
    left = Times(known).remaining(statuses, shares.workers)
    print(f"time left with {shares.workers} worker(s): {in_words(left)}\n")
    if args.only_list:
        return None
    if any(status.state != "done" for status in statuses.values()):
        statuses = _launch(args, grid, jobs, output, shares)
        print(f"\n{table.overview(statuses)}")
    return statuses


def _grid(args: argparse.Namespace) -> tuple[Grid, list[str]]:
    """The grid file with the flags' values in the place of its own, and the KEY VALUE pairs."""
    file, words = file_and_pairs([*args.words, *getattr(args, "behind", [])], "grid")
    grid = read_grid(file) if file else Grid()
    own = {entry.name: entry for entry in grid.methods}
    given = {
        "methods": args.methods
        and tuple(own.get(entry.name, entry) for entry in entries(args.methods)),
        "data": args.data and entries(args.data),
        "backbones": args.backbones and tuple(args.backbones),
        "shots": args.shots and tuple(_number(value, "shots") for value in args.shots),
        "seeds": args.seeds and tuple(_number(value, "seeds") for value in args.seeds),
        **{
            name: getattr(args, name)
            for name in ("config", "output", "layout", "root", "workers", "base_to_new")
        },
    }
    return replace(
        grid, **{name: value for name, value in given.items() if value is not None}
    ), words


def file_and_pairs(words: Sequence[str], kind: str) -> tuple[Path | None, list[str]]:
    """A command line's yaml file, if its first word is one, and its KEY VALUE pairs.

    Raises:
        UserError: a KEY has no VALUE; ``kind`` is what the message calls the file.
    """
    named = bool(words) and words[0].endswith((".yaml", ".yml"))
    pairs = list(words[named:])
    if len(pairs) % 2:
        raise UserError(
            f"command line: '{pairs[-1]}' has no value; give a {kind} file (.yaml), then KEY VALUE "
            "pairs"
        )
    return Path(words[0]) if named else None, pairs


def _number(value: str, name: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise UserError(
            f"--{name}: '{value}' is no whole number; give some, as in --{name} 1 2 4"
        ) from None


def _device() -> str:
    import torch

    count = torch.cuda.device_count()
    return f"{count} x {torch.cuda.get_device_name(0)}" if count else "cpu"


def _launch(args: argparse.Namespace, grid: Grid, jobs: list, output: str, shares) -> dict:
    """Have the jobs run; returns how they ended."""
    from softcpt.grid.plan import Plan, Task
    from softcpt.grid.state import GRID_FOLDER
    from softcpt.grid.watch import watch

    launch = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    tasks = [Task(str(job), job.folder, job.flags, job.needs) for job in jobs]
    plan = Plan(launch, output, os.getcwd(), args.attempts, shares.threads, tasks)
    path = Path(output) / GRID_FOLDER / "plans" / f"{launch}.json"
    plan.write(path)
    launcher = LAUNCHERS[args.launcher](path, grid, shares)
    try:
        return watch(plan, jobs, launcher, shares.workers)
    finally:
        launcher.close()
        path.unlink()


def tell_failures(statuses: Mapping[Job, Status]) -> None:
    """Print the jobs that failed, and why."""
    for job, status in statuses.items():
        if status.state == "failed":
            print(f"failed: {job}: {status.record.error}\n  {job.folder}")


def _conclude(planned: Sequence[Planned], statuses: Mapping[Job, Status]) -> int:
    """Failures, what was reached, and whether the settings were the same; returns the exit
    status."""
    from softcpt.engine.results import format_table
    from softcpt.grid import fairness, table
    from softcpt.grid.estimate import mean_overhead
    from softcpt.grid.state import read_result

    tell_failures(statuses)
    jobs = [plan.job for plan in planned]
    done = [job for job in jobs if statuses[job].state == "done"]
    groups = list(fairness.comparisons(planned))
    if len(groups) == 1 and len(done) == len(jobs):
        print(f"\n{format_table([read_result(job.folder) for job in jobs])}")
    elif done:
        print(f"\n{table.scores(done)}")
    if (overhead := mean_overhead(done, statuses)) is not None:
        print(f"\nbeyond the runs' own time: {overhead:.1f} s per job")
    problems = fairness.check_results(planned)
    for problem in problems:
        print(f"not the same in all runs of a comparison: {problem}", file=sys.stderr)
    if done and not problems:
        print(
            f"{len(done)} of {len(jobs)} jobs are done, under the same settings wherever they are "
            "compared"
        )
    return 1 if problems or len(done) < len(jobs) else 0
