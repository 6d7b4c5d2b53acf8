"""Finds out how a job stands, from its folder alone.

``job.json`` beside the results says who runs the job, since when, and how often it was tried. It
is a note only: a job is running if its lock is held, which the system frees when its holder dies,
and done if there is a whole ``results.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import Timeout

from softcpt.artefacts import checkpoint
from softcpt.engine import config
from softcpt.engine.continuation import read_run
from softcpt.engine.results_file import RESULTS_FILE, finished_results
from softcpt.errors import UserError
from softcpt.utils.files import write_json
from softcpt.utils.kinds import Kind, is_kind, wrong_value
from softcpt.utils.locks import file_lock

JOB_FILE = "job.json"
LOG_FILE = "log.txt"
GRID_FOLDER = ".grid"  # below a grid's output: locks, plans, logs of workers


@dataclass(frozen=True)
class JobRecord:
    """``job.json``.

    Attributes:
        state: running, done, failed (tried often enough, or a mistake of the user), or stopped (on
            purpose).
        launch: the grid that wrote this.
        attempts: per launch, how often the job was started and not stopped on purpose.
        host, pid: of the worker.
        started: Unix time. seconds: of the last attempt, all in.
        error: why it failed, in one line.
    """

    state: str
    launch: str
    attempts: Mapping[str, int] = field(default_factory=dict)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started: float = field(default_factory=time.time)
    seconds: float = 0.0
    error: str = ""


_NOTED: dict[str, Kind] = {
    "state": str,
    "launch": str,
    "attempts": dict,
    "host": str,
    "pid": int,
    "started": (int, float),
    "seconds": (int, float),
    "error": str,
}


def read_record(folder: str) -> JobRecord | None:
    """The job's note, if there is a whole one."""
    try:
        found = json.loads((Path(folder) / JOB_FILE).read_bytes())
        if wrong_value(found, _NOTED) or not all(map(_is_count, found["attempts"].values())):
            return None
        return JobRecord(**found)
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _is_count(value: Any) -> bool:
    return is_kind(value, int)


def write_record(folder: str, record: JobRecord) -> None:
    """Write the job's note."""
    write_json(Path(folder) / JOB_FILE, asdict(record))


def read_result(folder: str) -> dict[str, Any] | None:
    """The job's results.json, if there is a whole one."""
    return finished_results(Path(folder) / RESULTS_FILE)


def is_done(folder: str, cfg: Any) -> bool:
    """Whether the job's results are there; a run that was begun, or is done, must have the settings
    ``cfg``.

    Raises:
        UserError: it has others.
    """
    result = read_result(folder)
    begun = Path(folder) / checkpoint.RESUME_FILE
    if result is not None:
        theirs = result["config"]
    elif begun.is_file():
        try:
            theirs = read_run(begun)[1]["config"]
        except UserError:
            return False  # the job says so when it is run, and fails; the others need not wait
    else:
        return False
    if theirs != cfg.dump():
        changed = config.differences(config.run_settings(cfg), _settings(cfg, theirs, folder))
        if changed:
            raise UserError(
                f"{folder}: it holds a run with other settings ({'; '.join(changed[:3])}); choose "
                "another output, or delete the folder"
            )
    return result is not None


def _settings(cfg: Any, text: str, folder: str) -> dict[str, Any]:
    try:
        return config.settings_of_text(cfg, text)
    except Exception as error:  # whatever damaged yaml makes the reader raise
        raise UserError(
            f"{folder}: the settings of the run in it are damaged; choose another output, or "
            "delete the folder"
        ) from error


@contextmanager
def taken(output: str, folder: str, patience: float = 0.2) -> Iterator[bool]:
    """Hold the job's lock, if nobody else does; yields whether it is held."""
    locks = Path(output) / GRID_FOLDER / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    below = os.path.relpath(folder, output)
    lock = file_lock(locks / f"{hashlib.sha256(below.encode()).hexdigest()[:24]}.lock")
    try:
        lock.acquire(timeout=patience, poll_interval=0.02)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def append_to_log(folder: str, text: str) -> None:
    """Add to the job's log."""
    with open(Path(folder) / LOG_FILE, "a", encoding="utf-8") as log:
        log.write(text)


def last_line(folder: str) -> str:
    """The last line of the job's log."""
    log = Path(folder) / LOG_FILE
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.is_file() else []
    return next(
        (line.strip() for line in reversed(lines) if line.strip()), "nothing was written to its log"
    )


@dataclass(frozen=True)
class JobStatus:
    """How a job stands: done, running, failed or left; and what was noted last."""

    state: str
    record: JobRecord | None = None

    @property
    def error(self) -> str:
        """Why it failed, in one line."""
        return self.record.error if self.record else ""

    def attempts_in(self, launch: str) -> int:
        """How often a launch started the job."""
        return self.record.attempts.get(launch, 0) if self.record else 0

    def is_run_by(self, launch: str) -> bool:
        """Whether a worker of that launch is at it."""
        return self.state == "running" and self.record is not None and self.record.launch == launch


def status(output: str, folder: str, launch: str = "", attempts: int = 0) -> JobStatus:
    """How a job stands. With a ``launch``, what failed in others counts as left: it will be tried
    again."""
    record = read_record(folder)
    if record is None or record.state != "running":
        return _noted(folder, record, launch)
    with taken(output, folder, patience=0) as free:
        return status_when_taken(folder, launch, attempts) if free else JobStatus("running", record)


def status_when_taken(folder: str, launch: str, attempts: int) -> JobStatus:
    """The same of a job whose lock is held here; if its worker died once too often, that is written
    down."""
    record = read_record(folder)
    if record is None or record.state != "running" or not launch:
        return _noted(folder, record, launch)
    too_often = record.attempts.get(launch, 0) >= attempts
    if too_often and read_result(folder) is None:  # else it died after its work was done
        times = "1 time" if attempts == 1 else f"{attempts} times"
        error = f"tried {times}; its log ends: {last_line(folder)}"
        record = replace(record, state="failed", launch=launch, error=error)
        write_record(folder, record)
    return _noted(folder, record, launch)


def _noted(folder: str, record: JobRecord | None, launch: str) -> JobStatus:
    if read_result(folder) is not None:
        return JobStatus("done", record)
    failed = record is not None and record.state == "failed" and launch in ("", record.launch)
    return JobStatus("failed" if failed else "left", record)
