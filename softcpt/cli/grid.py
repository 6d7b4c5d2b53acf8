"""The command ``softcpt grid``: runs methods x data x backbones x shots x seeds."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from softcpt.cli.grid_flags import grid_and_pairs, parser
from softcpt.errors import UserError
from softcpt.grid.grid_file import Grid
from softcpt.grid.launchers import LAUNCHERS
from softcpt.utils.console import run_command

if TYPE_CHECKING:
    from softcpt.grid.jobs import Job, PlannedJob
    from softcpt.grid.on_this_machine import Resources
    from softcpt.grid.state import JobStatus


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; exits with 1 if a job failed, 2 and one line for mistakes of the user, 130 when
    interrupted."""
    args = parser().parse_intermixed_args(argv)
    run_command(lambda: run(args), debug=args.debug)


def run(args: argparse.Namespace) -> int:
    """Plan, print, and run the jobs; returns the exit status."""
    grid, pairs = grid_and_pairs(args)
    from softcpt.engine.run_folder import explained_mark
    from softcpt.grid.jobs import plan_jobs

    planned = plan_jobs(grid, pairs)
    mark = explained_mark(list(zip(pairs[::2], pairs[1::2])))
    if mark and "{mark}" in grid.folder_layout():
        print(f"{mark}\n")
    statuses = run_jobs(args, grid, planned)
    return 0 if statuses is None else _conclude(planned, statuses)


def run_jobs(
    args: argparse.Namespace, grid: Grid, planned: Sequence[PlannedJob]
) -> dict[Job, JobStatus] | None:
    """Check that the comparison is fair, print what there is to do, and do what is left of it.

    Returns:
        how every job stands; None if they were only to be listed.

    Raises:
        UserError: jobs that are to be compared have different settings, a folder holds another run,
            or there would be no worker or attempt.
    """
    from softcpt.grid import fairness, overview, state
    from softcpt.grid.on_this_machine import resources

    if grid.workers < 0:
        raise UserError(f"--workers {grid.workers}: give 0 (one per GPU, or one) or more")
    if args.attempts < 1:
        raise UserError(f"--attempts {args.attempts}: give 1 or more")
    fairness.check_settings(planned, grid.may_differ)
    for one in planned:
        # Refuses a folder that holds a run with other settings.
        state.is_done(one.job.folder, one.cfg)
    shares = resources(grid.workers)
    output = str(Path(grid.output).expanduser().absolute())
    _print_settings(planned, args.launcher, shares)
    statuses = {one.job: state.status(output, one.job.folder) for one in planned}
    if args.only_list:
        print(f"\n{overview.listing(statuses)}")
    _print_state(statuses, shares.workers)
    if args.only_list:
        return None
    if any(status.state != "done" for status in statuses.values()):
        statuses = _launch(args, grid, list(statuses), output, shares)
        print(f"\n{overview.overview(statuses)}")
    return statuses


def _print_settings(planned: Sequence[PlannedJob], launcher: str, shares: Resources) -> None:
    from softcpt.grid import fairness

    device = _device()
    if launcher == "local":
        device += f", {shares.workers} worker(s) of {shares.threads} thread(s)"
    print("*** settings that all jobs share ***")
    for name, value in fairness.describe(planned, device):
        print(f"{name}: {value}")


def _print_state(statuses: Mapping[Job, JobStatus], workers: int) -> None:
    from softcpt.grid import overview
    from softcpt.grid.estimate import Times, finished_seconds, in_words

    print(f"\n{overview.overview(statuses)}")
    left = Times(finished_seconds(statuses)).remaining(statuses, workers)
    print(f"time left with {workers} worker(s): {in_words(left)}\n")


def _device() -> str:
    import torch

    count = torch.cuda.device_count()
    return f"{count} x {torch.cuda.get_device_name(0)}" if count else "cpu"


def _launch(
    args: argparse.Namespace, grid: Grid, jobs: Sequence[Job], output: str, shares: Resources
) -> dict[Job, JobStatus]:
    """Run the jobs; returns how they ended."""
    from softcpt.grid.launch import Launch, QueuedJob
    from softcpt.grid.state import GRID_FOLDER
    from softcpt.grid.watch import watch

    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    queue = [QueuedJob(str(job), job.folder, job.flags, job.needs) for job in jobs]
    launch = Launch(name, output, os.getcwd(), args.attempts, shares.threads, queue)
    path = Path(output) / GRID_FOLDER / "plans" / f"{name}.json"
    # First the launcher: on this machine it says whose the file is, should this process be killed.
    launcher = LAUNCHERS[args.launcher](path, grid, shares)
    try:
        launch.write(path)
        return watch(launch, jobs, launcher, shares.workers)
    finally:
        launcher.close()
        path.unlink(missing_ok=True)


def print_failures(statuses: Mapping[Job, JobStatus]) -> None:
    """Print the jobs that failed, and why."""
    for job, status in statuses.items():
        if status.state == "failed":
            print(f"failed: {job}: {status.error}\n  {job.folder}")


def _conclude(planned: Sequence[PlannedJob], statuses: Mapping[Job, JobStatus]) -> int:
    """Failures, what was reached, and whether the settings were the same; returns the exit
    status."""
    from softcpt.engine.run_table import format_table
    from softcpt.grid import fairness, overview
    from softcpt.grid.estimate import mean_overhead
    from softcpt.grid.state import read_result

    print_failures(statuses)
    jobs = [one.job for one in planned]
    done = [job for job in jobs if statuses[job].state == "done"]
    comparisons = list(fairness.comparisons(planned))
    if len(comparisons) == 1 and len(done) == len(jobs):
        results = [read_result(job.folder) for job in jobs]
        print(f"\n{format_table([result for result in results if result is not None])}")
    elif done:
        print(f"\n{overview.scores(done)}")
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
