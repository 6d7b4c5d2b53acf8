"""A process that runs jobs, one after the other, until there is none to take.

    python -m softcpt.grid.worker PLAN.json

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
from typing import Any

from softcpt.errors import UserError
from softcpt.grid.plan import Plan, Task, read_plan
from softcpt.utils.allocator import give_back_freed_memory, keep_freed_memory

STOP_SECONDS = 10.0  # from the wish to stop until a worker is ended by force


def drain(path: str) -> None:
    """Run jobs of the plan at ``path`` until all are done, failed, or in other hands.

    Raises:
        Exception: whatever ended a job unexpectedly. The process may be in a bad state then, and
            runs no other.
    """
    plan = read_plan(path)
    os.environ["OMP_NUM_THREADS"] = str(
        plan.threads
    )  # before torch is imported, and for loader processes
    os.chdir(plan.cwd)
    keep_freed_memory()
    import torch

    from softcpt.utils.process_cache import process_cache

    torch.set_num_threads(plan.threads)
    settled: set[str] = set()
    with process_cache(), open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        while any(
            [_attempt(plan, task, settled) for task in plan.tasks if task.folder not in settled]
        ):
            pass


def _attempt(plan: Plan, task: Task, settled: set[str]) -> bool:
    """Run a job if it is free and its turn; returns whether it was run. What is done or failed
    joins ``settled``."""
    from softcpt.grid import state

    needed = (
        state.status(plan.output, task.needs, plan.launch, plan.attempts).state
        if task.needs
        else "done"
    )
    if needed in ("running", "left"):
        return False
    with state.taken(plan.output, task.folder) as mine:
        if not mine:
            return False
        before = state.status_when_taken(task.folder, plan.launch, plan.attempts)
        if before.state == "left":
            if needed == "failed":
                state.write_record(
                    task.folder, state.Record("failed", plan.launch, error=f"{task.needs} failed")
                )
            else:
                _run(plan, task, before.record)
        settled.add(task.folder)
        return before.state == "left"


def _run(plan: Plan, task: Task, before: Any) -> None:
    """Run a job, whose lock is held, and write down how it ended."""
    from softcpt.grid import state

    attempts = dict(before.attempts) if before else {}
    tried = attempts.pop(plan.launch, 0)
    record = state.Record("running", plan.launch, {**attempts, plan.launch: tried + 1})
    state.write_record(task.folder, record)

    def ended(how: str, error: str = "") -> None:
        seconds = time.time() - record.started
        state.write_record(task.folder, replace(record, state=how, seconds=seconds, error=error))

    try:
        _train(task)
    except UserError as error:
        ended("failed", str(error))
    except KeyboardInterrupt:
        record = replace(
            record, attempts={**attempts, plan.launch: tried}
        )  # being stopped is no failure
        ended("stopped")
        raise
    except Exception:
        state.append_to_log(task.folder, traceback.format_exc())
        raise
    else:
        ended("done")


def _train(task: Task) -> None:
    from softcpt.cli import train
    from softcpt.grid.state import read_result

    _forget_peaks()
    train.run(train.parser().parse_args(list(task.flags)))
    if read_result(task.folder) is None:
        raise UserError(
            f"{task.name}: it left no results.json; only methods of this project's own kind write "
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
