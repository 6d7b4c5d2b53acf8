"""Starts workers as SLURM jobs, through submitit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softcpt.errors import UserError, reason_of
from softcpt.grid.on_this_machine import Resources, python_path, require

if TYPE_CHECKING:
    from softcpt.grid.grid_file import Grid

DAY = 24 * 60  # minutes; what is not done by then is continued by the next worker


class SlurmLauncher:
    """Each worker is one SLURM job that lasts as long as there are jobs of the grid, or its time is
    over.

    The grid file's ``slurm`` has parameters of submitit's executor; "cluster" may be "local",
    submitit's stand-in for a cluster.
    """

    def __init__(self, launch: Path, grid: Grid, shares: Resources) -> None:
        require("submitit", "slurm")
        import submitit

        options = {
            "timeout_min": DAY,
            "cpus_per_task": shares.threads,
            "name": f"softcpt-{launch.stem}",
            **grid.slurm,
        }
        cluster = options.pop("cluster", "slurm")
        if cluster == "slurm" and shutil.which("sbatch") is None:
            raise UserError(
                "--launcher slurm: there is no sbatch on this machine; start the grid where jobs "
                "are submitted"
            )
        os.environ["PYTHONPATH"] = python_path()  # a job inherits it
        self.launch = launch
        self._executor = submitit.AutoExecutor(folder=launch.parents[1] / "slurm", cluster=cluster)
        try:
            self._executor.update_parameters(**options)
        except (NameError, TypeError, ValueError) as error:
            raise UserError(
                f"slurm: {reason_of(error)}; in the grid file, slurm: takes what "
                "submitit's "
                "executor takes"
            ) from error
        self._running: list[Any] = []

    def start(self) -> None:
        """Submit a worker."""
        from softcpt.grid.worker import drain

        self._running.append(self._executor.submit(drain, str(self.launch)))

    def running(self) -> int:
        """Workers in the queue or at work."""
        return sum(not worker.done() for worker in self._running)

    def died(self) -> list[str]:
        """Of workers that ended unexpectedly since the last call, why."""
        ended = [worker for worker in self._running if worker.done()]
        self._running = [worker for worker in self._running if worker not in ended]
        errors = [worker.exception() for worker in ended]
        return [
            f"{str(error).strip().splitlines()[-1]} ({worker.paths.stderr})"
            for worker, error in zip(ended, errors)
            if error is not None
        ]

    def close(self) -> None:
        """Cancel all workers; a job that is running keeps what it saved."""
        for worker in self._running:
            worker.cancel(check=False)
