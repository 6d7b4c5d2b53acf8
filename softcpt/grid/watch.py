"""Starts workers, replaces those that die, and shows what the jobs' folders say, until all jobs
are done or failed."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from tqdm import tqdm

from softcpt.errors import UserError
from softcpt.grid.estimate import Times, finished_seconds, in_words
from softcpt.grid.jobs import Job
from softcpt.grid.launch import Launch
from softcpt.grid.overview import score
from softcpt.grid.state import JobStatus, status

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
    launch: Launch, jobs: Sequence[Job], before: Mapping[Job, JobStatus] | None = None
) -> dict[Job, JobStatus]:
    """How the jobs stand; what had ended ``before`` is not looked at again."""
    statuses = {}
    for job in jobs:
        last = before.get(job) if before else None
        if last is None or last.state not in ENDED:
            last = status(launch.output, job.folder, launch.name, launch.attempts)
        statuses[job] = last
    return statuses


def watch(
    launch: Launch, jobs: Sequence[Job], launcher: Launcher, workers: int
) -> dict[Job, JobStatus]:
    """Start workers until all jobs have ended; returns how they ended.

    Raises:
        UserError: workers die before they take a job.
    """
    statuses = look(launch, jobs)
    progress = _Progress(jobs, workers)
    deaths = _Deaths(launch.name)
    try:
        while True:
            progress.show(statuses)
            if all(entry.state in ENDED for entry in statuses.values()):
                _await_end(launcher)
                return statuses
            deaths.judge(launcher.died(), statuses)
            for _ in range(_wanted(launch, statuses, launcher.running(), workers)):
                launcher.start()
            time.sleep(POLL_SECONDS)
            statuses = look(launch, jobs, statuses)
    finally:
        progress.close()


def _wanted(launch: Launch, statuses: Mapping[Job, JobStatus], alive: int, workers: int) -> int:
    """Workers to start: for jobs that can be taken, beyond those that idle workers are about to
    take."""
    ended = {job.folder for job, entry in statuses.items() if entry.state in ENDED}
    free = sum(
        entry.state == "left" and (not job.needs or job.needs in ended)
        for job, entry in statuses.items()
    )
    busy = sum(entry.is_run_by(launch.name) for entry in statuses.values())
    return max(0, min(workers - alive, free - (alive - busy)))


def _await_end(launcher: Launcher) -> None:
    """Workers find out by themselves that nothing is left; they have a moment for it."""
    end = time.monotonic() + 5
    while launcher.running() and time.monotonic() < end:
        time.sleep(POLL_SECONDS / 5)


class _Deaths:
    """Dead workers are replaced, unless they never get so far as to take a job."""

    def __init__(self, launch: str) -> None:
        self.launch, self.taken, self.idle_deaths = launch, 0, 0

    def judge(self, reasons: Sequence[str], statuses: Mapping[Job, JobStatus]) -> None:
        """Count those that died; raises UserError when it is hopeless."""
        if not reasons:
            return
        taken = sum(entry.attempts_in(self.launch) for entry in statuses.values())
        self.idle_deaths = self.idle_deaths + len(reasons) if taken == self.taken else 0
        self.taken = taken
        for reason in reasons:
            tqdm.write(f"a worker ended: {reason}")
        if self.idle_deaths >= HOPELESS:
            raise UserError(
                f"workers: they end before they take a job: {reasons[-1]}; fix that and start again"
            )


class _Progress:
    """One bar, and a line for each job that ends."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self.workers = workers
        self.ended: set[Job] | None = None  # None: nothing was shown yet
        self.times = Times({})
        self.bar = tqdm(
            total=len(jobs),
            desc="jobs",
            file=sys.stderr,
            mininterval=0.1 if sys.stderr.isatty() else 30,
            bar_format="{desc}: {n_fmt}/{total_fmt} |{bar:20}| {elapsed}{postfix}",
        )

    def show(self, statuses: Mapping[Job, JobStatus]) -> None:
        """Draw the bar again, and print the jobs that ended since the last call."""
        ended = {job for job, entry in statuses.items() if entry.state in ENDED}
        if self.ended is not None:
            for job in statuses:
                if job in ended - self.ended:
                    tqdm.write(_line(job, statuses[job]))
        if self.ended != ended:
            self.times = Times(finished_seconds({job: statuses[job] for job in ended}))
        self.ended = ended
        self.bar.set_postfix_str(self._counts(statuses), refresh=False)
        self.bar.update(len(ended) - self.bar.n)
        if sys.stderr.isatty():
            self.bar.refresh()

    def _counts(self, statuses: Mapping[Job, JobStatus]) -> str:
        states = [entry.state for entry in statuses.values()]
        counts = [
            f"{states.count(state)} {state}"
            for state in ("running", "failed", "left")
            if state in states
        ]
        if "running" in states or "left" in states:
            counts.append(f"time left: {in_words(self.times.remaining(statuses, self.workers))}")
        return ", ".join(counts)

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()


def _line(job: Job, entry: JobStatus) -> str:
    if entry.state == "failed":
        return f"failed: {job}: {entry.error}"
    seconds = entry.record.seconds if entry.record else 0.0
    took = f" ({seconds:.0f} s)" if seconds else ""
    return f"done: {job}: {score(job):.2f} %{took}"
