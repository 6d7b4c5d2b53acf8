"""Estimates how long the rest will take, from the jobs that are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from softcpt.grid.jobs import Job
from softcpt.grid.state import JobStatus, read_result


def seconds_of(job: Job, status: JobStatus) -> float | None:
    """Seconds that a finished job took, all in."""
    result = read_result(job.folder) if status.state == "done" else None
    if result is None:
        return None
    own = float(result["seconds"]["total"])  # over all attempts, without what the worker added
    return max(own, status.record.seconds if status.record else 0.0)


def finished_seconds(statuses: Mapping[Job, JobStatus]) -> dict[Job, float]:
    """Seconds that each finished job took, all in."""
    found = {job: seconds_of(job, status) for job, status in statuses.items()}
    return {job: seconds for job, seconds in found.items() if seconds is not None}


# What jobs have in common that should take about as long, shots aside; the likest first.
_LIKENESS: tuple[Callable[[Job], tuple[str | int, ...]], ...] = (
    lambda job: (job.method, job.data, job.backbone, job.part, job.shots),
    lambda job: (job.method, job.data, job.backbone, job.part),
    lambda job: (job.method, job.part),
    lambda job: (job.part,),
    lambda _: (),
)


class Times:
    """What jobs took.

    Args:
        known: finished jobs and their seconds.
    """

    def __init__(self, known: Mapping[Job, float]) -> None:
        self.known = dict(known)

    def expected(self, job: Job) -> float | None:
        """Seconds that ``job`` will take: what its like took, scaled by the shots; None: nothing is
        known yet."""
        for key in _LIKENESS:
            like = [
                seconds * max(job.shots, 1) / max(other.shots, 1)
                for other, seconds in self.known.items()
                if key(other) == key(job)
            ]
            if like:
                return sum(like) / len(like)
        return None

    def remaining(self, statuses: Mapping[Job, JobStatus], workers: int) -> float | None:
        """Seconds until all is done by ``workers`` workers; None: nothing is known yet."""
        total, unfinished = 0.0, 0
        for job, status in statuses.items():
            if status.state not in ("left", "running"):
                continue
            expected = self.expected(job)
            if expected is None:
                return None
            elapsed = 0.0
            if status.state == "running" and status.record:
                elapsed = time.time() - status.record.started
            total += max(0.0, expected - elapsed)
            unfinished += 1
        return total / max(1, min(workers, unfinished))


def in_words(seconds: float | None) -> str:
    """A duration as "about 8 min" or "about 2.5 h"."""
    if seconds is None:
        return "unknown until a job is done"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def mean_overhead(jobs: Sequence[Job], statuses: Mapping[Job, JobStatus]) -> float | None:
    """Seconds per job that the workers added to the jobs' own, over the jobs that were done in one
    attempt."""
    added = []
    for job in jobs:
        record, result = statuses[job].record, read_result(job.folder)
        if record and result and record.state == "done" and record.attempts == {record.launch: 1}:
            added.append(record.seconds - result["seconds"]["total"])
    return sum(added) / len(added) if added else None
