"""A process that runs jobs, one after the other, until there is none to take.

    python -m softcpt.grid.worker LAUNCH.json

Jobs of one process share imports, frozen models and packed class names. What a job prints goes to
its log.txt alone.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from softcpt.errors import UserError
from softcpt.grid.launch import Launch, QueuedJob, read_launch
from softcpt.utils.allocator import give_back_freed_memory, keep_freed_memory
from softcpt.utils.console import hide_bars

if TYPE_CHECKING:
    from softcpt.grid.state import JobRecord

STOP_SECONDS = 10.0  # from the wish to stop until a worker is ended by force


def drain(path: str) -> None:
    """Run jobs of the launch at ``path`` until all are done, failed, or in other hands.

    Raises:
        Exception: whatever ended a job unexpectedly. The process may be in a bad state then, and
            runs no other.
    """
    launch = read_launch(path)
    hide_bars()  # before tqdm is imported
    # Before torch is imported, and for loader processes.
    os.environ["OMP_NUM_THREADS"] = str(launch.threads)
    os.chdir(launch.cwd)
    keep_freed_memory()
    import torch

    from softcpt.utils.process_cache import process_cache

    torch.set_num_threads(launch.threads)
    settled: set[str] = set()
    with process_cache(), open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        while _attempt_all(launch, settled):
            pass


def _attempt_all(launch: Launch, settled: set[str]) -> bool:
    """Run every job that is free once; returns whether one was run, and so others may be free
    now."""
    ran = False
    for job in launch.jobs:
        if job.folder not in settled and _attempt(launch, job, settled):
            ran = True
    return ran


def _attempt(launch: Launch, job: QueuedJob, settled: set[str]) -> bool:
    """Run a job if it is free and its turn; returns whether it was run. What is done or failed
    joins ``settled``."""
    from softcpt.grid import state

    needed = "done"
    if job.needs:
        needed = state.status(launch.output, job.needs, launch.name, launch.attempts).state
    if needed in ("running", "left"):
        return False
    with state.taken(launch.output, job.folder) as mine:
        if not mine:
            return False
        before = state.status_when_taken(job.folder, launch.name, launch.attempts)
        if before.state == "left" and needed == "failed":
            failed = state.JobRecord("failed", launch.name, error=f"{job.needs} failed")
            state.write_record(job.folder, failed)
        elif before.state == "left":
            _run(launch, job, before.record)
        settled.add(job.folder)
        return before.state == "left"


def _run(launch: Launch, job: QueuedJob, before: JobRecord | None) -> None:
    """Run a job, whose lock is held, and write down how it ended."""
    from softcpt.grid import state

    attempts = dict(before.attempts) if before else {}
    tried = attempts.pop(launch.name, 0)
    record = state.JobRecord("running", launch.name, {**attempts, launch.name: tried + 1})
    state.write_record(job.folder, record)

    def ended(how: str, error: str = "") -> None:
        seconds = time.time() - record.started
        state.write_record(job.folder, replace(record, state=how, seconds=seconds, error=error))

    try:
        _train(job)
    except UserError as error:
        ended("failed", str(error))
    except KeyboardInterrupt:
        # Being stopped is no failure.
        record = replace(record, attempts={**attempts, launch.name: tried})
        ended("stopped")
        raise
    except Exception:
        state.append_to_log(job.folder, traceback.format_exc())
        raise
    else:
        ended("done")


def _train(job: QueuedJob) -> None:
    from softcpt.engine.run import run
    from softcpt.engine.run_flags import parser
    from softcpt.grid.state import read_result

    _forget_peaks()
    run(parser().parse_args(list(job.flags)))
    if read_result(job.folder) is None:
        raise UserError(
            f"{job.name}: it left no results.json; only methods of this project's own kind write "
            "one"
        )


def _forget_peaks() -> None:
    """Let each job have a peak memory of its own, as far as the system can."""
    import torch

    gc.collect()
    give_back_freed_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # Linux alone has this
        Path("/proc/self/clear_refs").write_text("5")


def main(path: str) -> None:
    """Work until there is nothing to take, SIGTERM comes, or stdin ends because the grid did."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_end_with_the_grid, daemon=True).start()
    try:
        drain(path)
    except KeyboardInterrupt:
        sys.exit(130)


def _end_with_the_grid() -> None:
    with suppress(OSError):
        # Not sys.stdin: a loader process, forked meanwhile, closes it, and would wait for its lock
        # for ever.
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.killpg(0, signal.SIGKILL)  # itself and its loader processes: it leads a session


if __name__ == "__main__":
    main(sys.argv[1])
