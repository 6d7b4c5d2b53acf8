"""How long the rest will take, from the jobs that are done."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from softcpt.grid.jobs import Job
from softcpt.grid.state import Status, read_result


def seconds_of(job: Job, status: Status) -> float | None:
    """Seconds that a finished job took, all in."""
    result = read_result(job.folder) if status.state == "done" else None
    if result is None:
        return None
    own = float(result["seconds"]["total"])  # over all attempts, without what the worker added
    return max(own, status.record.seconds if status.record else 0.0)


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
        likeness = (
            lambda other: (other.method, other.data, other.backbone, other.part, other.shots),
            lambda other: (other.method, other.data, other.backbone, other.part),
            lambda other: (other.method, other.part),
            lambda other: other.part,
            lambda other: None,
        )
        for key in likeness:
            like = [
                seconds * max(job.shots, 1) / max(other.shots, 1)
                for other, seconds in self.known.items()
                if key(other) == key(job)
            ]
            if like:
                return sum(like) / len(like)
        return None

    def remaining(self, statuses: Mapping[Job, Status], workers: int) -> float | None:
        """Seconds until all is done by ``workers`` workers; None: nothing is known yet."""
        total = 0.0
        for job, status in statuses.items():
            if status.state in ("left", "running"):
                expected = self.expected(job)
                if expected is None:
                    return None
                elapsed = (
                    time.time() - status.record.started
                    if status.state == "running" and status.record
                    else 0.0
                )
                total += max(0.0, expected - elapsed)
        return total / max(
            1,
            min(workers, sum(status.state in ("left", "running") for status in statuses.values())),
        )


def in_words(seconds: float | None) -> str:
    """ "about 8 min", "about 2.5 h"."""
    if seconds is None:
        return "unknown until a job is done"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def mean_overhead(jobs: Sequence[Job], statuses: Mapping[Job, Status]) -> float | None:
    """Seconds per job that the workers added to the jobs' own, over the jobs that were done in one
    attempt."""
    added = []
    for job in jobs:
        record, result = statuses[job].record, read_result(job.folder)
        if record and result and record.state == "done" and record.attempts == {record.launch: 1}:
            added.append(record.seconds - result["seconds"]["total"])
    return sum(added) / len(added) if added else None
