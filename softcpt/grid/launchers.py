"""What ``--launcher`` can name: the places where a grid's workers are started.

A new launcher is a class as :class:`softcpt.grid.watch.Launcher` says and an entry of
:data:`LAUNCHERS`. Packages that it needs are imported when it is made, and asked for by
:func:`softcpt.grid.on_this_machine.require`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from softcpt.grid.on_ray import RayLauncher
from softcpt.grid.on_slurm import SlurmLauncher
from softcpt.grid.on_this_machine import LocalLauncher, Resources

if TYPE_CHECKING:
    from softcpt.grid.grid_file import Grid
    from softcpt.grid.watch import Launcher

# Each is called with the plan's file, the grid and what this machine has for each worker.
LAUNCHERS: dict[str, Callable[[Path, Grid, Resources], Launcher]] = {
    "local": LocalLauncher,
    "ray": RayLauncher,
    "slurm": SlurmLauncher,
}
