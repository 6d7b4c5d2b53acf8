"""Makes tables of how the jobs stand, and of what the finished ones reached."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tabulate import tabulate

from softcpt.grid.estimate import seconds_of
from softcpt.grid.jobs import Job
from softcpt.grid.state import JobStatus, read_result

STATES = ("done", "running", "failed", "left")
_ROWS = 40  # of an overview, before it leaves out data, then parts


def overview(statuses: Mapping[Job, JobStatus]) -> str:
    """Methods and data x how many jobs are done, running, failed, left, and the mean seconds of a
    finished one."""
    counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    seconds: dict[tuple[str, ...], list[float]] = defaultdict(list)
    name_data = len({(job.data, job.backbone, job.method, job.part) for job in statuses}) <= _ROWS
    name_part = name_data or len({(j.backbone, j.method, j.part) for j in statuses}) <= _ROWS
    for job, status in statuses.items():
        data, part = job.data if name_data else "", job.part if name_part else ""
        row: tuple[str, ...] = (data, job.backbone, job.method, part)
        counts[row][status.state] += 1
        took = seconds_of(job, status)
        if took is not None:
            seconds[row].append(took)
    rows: list[list[object]] = []
    for row, count in counts.items():
        mean = f"{statistics.mean(seconds[row]):.0f}" if seconds[row] else ""
        rows.append([*row, *(count[state] or "" for state in STATES), mean])
    total = Counter(status.state for status in statuses.values())
    first = ["all", "", "", ""] if name_data else ["", "", "all", ""]
    rows.append([*first, *(total[state] or "" for state in STATES), ""])
    return _table(rows, ["data", "backbone", "method", "part", *STATES, "s per job"], 4)


def listing(statuses: Mapping[Job, JobStatus]) -> str:
    """Every job with its state and folder."""
    rows = []
    for job, status in statuses.items():
        note = status.record
        who = f"{note.host}, process {note.pid}" if note and status.state == "running" else ""
        why = status.error if status.state == "failed" else ""
        rows.append([status.state, str(job), job.folder, who or why])
    return _table(rows, ["state", "job", "folder", ""], 4)


def scores(jobs: Sequence[Job]) -> str:
    """Methods x shots: mean over tasks of the test metric, mean and standard deviation over seeds,
    of what is done."""
    values: dict[tuple[str, ...], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        if (value := score(job)) is not None:
            values[job.data, job.backbone, job.part, job.method][job.shots].append(value)
    shots = sorted({job.shots for job in jobs})
    rows: list[list[object]] = []
    for row, found in values.items():
        rows.append([*row, *(_mean(found[k]) if k in found else "" for k in shots)])
    columns = ["1 shot" if k == 1 else f"{k} shots" for k in shots]
    return _table(rows, ["data", "backbone", "part", "method, %", *columns], 4)


def score(job: Job) -> float | None:
    """The run's overall metric in %, if it is done."""
    result = read_result(job.folder)
    return None if result is None else float(result["overall"][result["method"]]["overall_metric"])


def _mean(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.pstdev(values):.2f}"


def _table(rows: Sequence[Sequence[object]], head: list[str], words: int) -> str:
    """A plain table without columns that are empty; the first ``words`` are to the left."""
    kept = [
        column
        for column, name in enumerate(head)
        if name in STATES or any(str(row[column]) for row in rows)
    ]
    aligned = ["left" if column < words else "right" for column in kept]
    shown = [[row[column] for column in kept] for row in rows]
    names = [head[column] for column in kept]
    text: str = tabulate(shown, names, disable_numparse=True, colalign=aligned if rows else None)
    return text
