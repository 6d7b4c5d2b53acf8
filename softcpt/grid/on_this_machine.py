"""Starts workers on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

import softcpt
from softcpt.errors import UserError
from softcpt.grid.worker import STOP_SECONDS
from softcpt.utils.leftovers import HOST
from softcpt.utils.locks import file_lock
from softcpt.utils.requirements import is_installed

if TYPE_CHECKING:
    from softcpt.grid.grid_file import Grid

_ALIVE = ".alive"  # ends the name of a file beside a plan, whose lock the plan's grid holds


@dataclass(frozen=True)
class Resources:
    """What this machine has for workers, and each of ``workers`` gets: ``threads``, and one of
    ``gpus`` by turns."""

    workers: int
    threads: int
    gpus: tuple[str, ...]


def resources(workers: int) -> Resources:
    """Shares for ``workers`` processes; 0: one per GPU, or one where there is none.

    Threads: the cores, divided; no more than ``OMP_NUM_THREADS`` where that is set.
    """
    import torch

    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = tuple(map(str, range(torch.cuda.device_count())))
    if visible:
        gpus = tuple(visible.split(","))
    workers = workers or max(1, len(gpus))
    threads = max(1, min(cores // workers, int(os.environ.get("OMP_NUM_THREADS") or cores)))
    return Resources(workers, threads, gpus if torch.cuda.device_count() else ())


class LocalLauncher:
    """Each worker is a process in a session of its own: Ctrl-C reaches the grid alone, which then
    ends its workers."""

    def __init__(self, launch: Path, _grid: Grid, shares: Resources) -> None:
        self.launch, self.shares = launch, shares
        self.logs = launch.parents[1] / "workers"  # beside plans/, in the grid's own folder
        for folder in (self.logs, launch.parent):
            folder.mkdir(parents=True, exist_ok=True)
        clear_plans(launch.parent)
        # Held while this process lives. Of another host's nobody here can say whether it does.
        self.alive = file_lock(launch.with_name(f".{launch.stem}.{HOST}{_ALIVE}"))
        self.alive.acquire(timeout=0)
        self.started = 0
        self._running: dict[subprocess.Popen[bytes], Path] = {}

    def start(self) -> None:
        """Start a worker."""
        log = self.logs / f"{self.launch.stem}-{self.started}.log"
        environment = os.environ | {
            "PYTHONPATH": python_path(),
            "OMP_NUM_THREADS": str(self.shares.threads),
        }
        environment["TQDM_DISABLE"] = "1"  # a worker's log is for what it dies of
        if self.shares.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.shares.gpus[
                self.started % len(self.shares.gpus)
            ]
        with open(log, "wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "softcpt.grid.worker", str(self.launch)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
        self.started += 1
        self._running[process] = log

    def running(self) -> int:
        """Workers that are alive."""
        return sum(process.poll() is None for process in self._running)

    def died(self) -> list[str]:
        """Of workers that ended unexpectedly since the last call, why."""
        ended = {
            process: log for process, log in self._running.items() if process.poll() is not None
        }
        for process in ended:
            _close_input(process)
            del self._running[process]
        return [
            _reason(process.returncode, log)
            for process, log in ended.items()
            if process.returncode != 0
        ]

    def close(self) -> None:
        """End all workers; a job that is running keeps what it saved."""
        alive = [process for process in self._running if process.poll() is None]
        for process in alive:
            process.terminate()
        for process in alive:
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            _end_session(process)
        for process in self._running:
            _close_input(process)
        self._running.clear()
        _clear_logs(self.logs, self.launch.stem)
        self.launch.unlink(missing_ok=True)  # while it can be seen whose it is
        self.alive.release()
        Path(self.alive.lock_file).unlink(missing_ok=True)


def clear_plans(plans: Path) -> None:
    """Remove what grids that were killed on this machine left: their plans, and logs of workers
    that are empty."""
    for alive in plans.glob(f".*.{HOST}{_ALIVE}"):
        name = alive.name.removesuffix(f".{HOST}{_ALIVE}")[1:]
        with suppress(Timeout, OSError), file_lock(alive).acquire(timeout=0):
            (plans / f"{name}.json").unlink(missing_ok=True)
            _clear_logs(plans.parent / "workers", name)
            alive.unlink(missing_ok=True)


def _clear_logs(logs: Path, launch: str) -> None:
    for log in logs.glob(f"{launch}-*.log"):
        if not log.stat().st_size:
            log.unlink()


def python_path() -> str:
    """PYTHONPATH under which another process imports the same softcpt."""
    root = str(Path(softcpt.__file__).resolve().parent.parent)
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))


def _close_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End a worker by force, and what it may have left: loader processes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(code: int, log: Path) -> str:
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"status {code}"
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    why = f": {text.splitlines()[-1].strip()}" if text else ""
    return f"{how}{why} ({log})"


def require(package: str, launcher: str) -> None:
    """Refuse a launcher whose package, which has a module of its name, is not installed."""
    if not is_installed(package):
        raise UserError(f"--launcher {launcher}: {package} is not installed; pip install {package}")
