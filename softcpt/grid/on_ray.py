"""Starts workers on a Ray cluster: the one at ``RAY_ADDRESS``, or one made on this machine."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softcpt.grid.on_this_machine import Resources, python_path, require

if TYPE_CHECKING:
    from softcpt.grid.grid_file import Grid


class RayLauncher:
    """Each worker is a Ray task that lasts as long as there are jobs."""

    def __init__(self, launch: Path, _grid: Grid, shares: Resources) -> None:
        require("ray", "ray")
        import ray

        self.launch, self.shares, self.ray = launch, shares, ray
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if os.environ.get("RAY_ADDRESS"):
            ray.init(address=os.environ["RAY_ADDRESS"], **quiet)
        else:
            ray.init(
                address="local",
                num_cpus=shares.workers * shares.threads,
                include_dashboard=False,
                **quiet,
            )
        gpus = min(1.0, ray.cluster_resources().get("GPU", 0.0) / shares.workers)
        environment = {"PYTHONPATH": python_path(), "OMP_NUM_THREADS": str(shares.threads)}
        # A process that ran into an error runs no other worker: max_calls. The grid, not Ray, tries
        # again: max_retries.
        self._work = ray.remote(
            num_cpus=shares.threads,
            num_gpus=gpus,
            max_calls=1,
            max_retries=0,
            runtime_env={"env_vars": environment},
        )(_work)
        self._running: list[Any] = []

    def start(self) -> None:
        """Start a worker; it waits until the cluster has room."""
        self._running.append(self._work.remote(str(self.launch)))

    def running(self) -> int:
        """Workers that work or wait for room."""
        return len(self._split()[1])

    def died(self) -> list[str]:
        """Of workers that ended unexpectedly since the last call, why."""
        ended, self._running = self._split()
        reasons = []
        for worker in ended:
            try:
                self.ray.get(worker)
            except self.ray.exceptions.RayError as error:  # noqa: PERF203 (few workers end)
                reasons.append(str(error).strip().splitlines()[-1])
        return reasons

    def close(self) -> None:
        """End all workers, and the cluster if it was started here."""
        for worker in self._split()[1]:
            self.ray.cancel(worker, force=True)
        self.ray.shutdown()

    def _split(self) -> tuple[list[Any], list[Any]]:
        """Ended and running workers."""
        return (
            self.ray.wait(self._running, num_returns=len(self._running), timeout=0)
            if self._running
            else ([], [])
        )


def _work(launch: str) -> None:
    from softcpt.grid.worker import drain

    drain(launch)
