"""Start workers, replace those that die, and show what the jobs' folders say, until all jobs are
done or failed."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from tqdm import tqdm

from softcpt.errors import UserError
from softcpt.grid.estimate import Times, in_words, seconds_of
from softcpt.grid.jobs import Job
from softcpt.grid.plan import Plan
from softcpt.grid.state import Status, status
from softcpt.grid.table import score

POLL_SECONDS = 0.5
ENDED = ("done", "failed")
HOPELESS = 3  # workers that die one after the other without having taken a job


class Launcher(Protocol):
    """A place where workers run."""

    def start(self) -> None:
        """Start a worker."""

    def running(self) -> int:
        """Workers that are alive, or wait for room."""

    def died(self) -> list[str]:
        """Of workers that ended unexpectedly since the last call, why."""

    def close(self) -> None:
        """End all workers."""


def look(
    plan: Plan, jobs: Sequence[Job], before: Mapping[Job, Status] | None = None
) -> dict[Job, Status]:
    """How the jobs stand; what had ended ``before`` is not looked at again."""
    before = before or {}
    return {
        job: before[job]
        if job in before and before[job].state in ENDED
        else status(plan.output, job.folder, plan.launch, plan.attempts)
        for job in jobs
    }


def watch(plan: Plan, jobs: Sequence[Job], launcher: Launcher, workers: int) -> dict[Job, Status]:
    """Have the jobs run; returns how they ended.

    Raises:
        UserError: workers die before they take a job.
    """
    statuses = look(plan, jobs)
    progress = _Progress(jobs, workers)
    deaths = _Deaths(plan.launch)
    try:
        while True:
            progress.show(statuses)
            if all(entry.state in ENDED for entry in statuses.values()):
                _await_end(launcher)
                return statuses
            deaths.judge(launcher.died(), statuses)
            for _ in range(_wanted(plan, statuses, launcher.running(), workers)):
                launcher.start()
            time.sleep(POLL_SECONDS)
            statuses = look(plan, jobs, statuses)
    finally:
        progress.close()


def _wanted(plan: Plan, statuses: Mapping[Job, Status], alive: int, workers: int) -> int:
    """Workers to start: for jobs that can be taken, beyond those that idle workers are about to
    take."""
    ended = {job.folder for job, entry in statuses.items() if entry.state in ENDED}
    free = sum(
        entry.state == "left" and (not job.needs or job.needs in ended)
        for job, entry in statuses.items()
    )
    busy = sum(
        entry.state == "running" and entry.record.launch == plan.launch
        for entry in statuses.values()
    )
    return max(0, min(workers - alive, free - (alive - busy)))


def _await_end(launcher: Launcher) -> None:
    """Workers find out by themselves that nothing is left; they have a moment for it."""
    end = time.monotonic() + 5
    while launcher.running() and time.monotonic() < end:
        time.sleep(POLL_SECONDS / 5)


class _Deaths:
    """Dead workers are replaced, unless they never get so far as to take a job."""

    def __init__(self, launch: str) -> None:
        self.launch, self.taken, self.in_vain = launch, 0, 0

    def judge(self, reasons: Sequence[str], statuses: Mapping[Job, Status]) -> None:
        """Count those that died; raises UserError when it is hopeless."""
        if not reasons:
            return
        taken = sum(
            entry.record.attempts.get(self.launch, 0) for entry in statuses.values() if entry.record
        )
        self.in_vain = self.in_vain + len(reasons) if taken == self.taken else 0
        self.taken = taken
        for reason in reasons:
            tqdm.write(f"a worker ended: {reason}")
        if self.in_vain >= HOPELESS:
            raise UserError(
                f"workers: they end before they take a job: {reasons[-1]}; mend that and begin "
                "again"
            )


class _Progress:
    """One bar, and a line for each job that ends."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self.workers, self.told = workers, None
        self.times = Times({})
        self.bar = tqdm(
            total=len(jobs),
            desc="jobs",
            file=sys.stderr,
            mininterval=0.1 if sys.stderr.isatty() else 30,
            bar_format="{desc}: {n_fmt}/{total_fmt} |{bar:20}| {elapsed}{postfix}",
        )

    def show(self, statuses: Mapping[Job, Status]) -> None:
        """Draw the bar anew."""
        ended = {job for job, entry in statuses.items() if entry.state in ENDED}
        for job in (
            [] if self.told is None else [job for job in statuses if job in ended - self.told]
        ):
            tqdm.write(_line(job, statuses[job]))
        if self.told != ended:
            known = {job: seconds_of(job, statuses[job]) for job in ended}
            self.times = Times(
                {job: seconds for job, seconds in known.items() if seconds is not None}
            )
        self.told = ended
        states = [entry.state for entry in statuses.values()]
        counts = [
            f"{states.count(state)} {state}"
            for state in ("running", "failed", "left")
            if state in states
        ]
        left = in_words(self.times.remaining(statuses, self.workers))
        told = [*counts, f"time left: {left}"] if len(ended) < len(states) else counts
        self.bar.set_postfix_str(", ".join(told), refresh=False)
        self.bar.update(len(ended) - self.bar.n)
        if sys.stderr.isatty():
            self.bar.refresh()

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()


def _line(job: Job, entry: Status) -> str:
    took = f" ({entry.record.seconds:.0f} s)" if entry.record and entry.record.seconds else ""
    reached = score(job)
    return (
        f"done: {job}: {reached:.2f} %{took}"
        if entry.state == "done"
        else f"failed: {job}: {entry.record.error}"
    )
