"""What the workers of a launch work on, in a file that all of them read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from softcpt.errors import UserError
from softcpt.utils.files import write_json


@dataclass(frozen=True)
class Task:
    """What a worker must know of a job: its name, its folder, train.py's flags, and the folder of
    the job it needs."""

    name: str
    folder: str
    flags: Sequence[str]
    needs: str = ""


@dataclass(frozen=True)
class Plan:
    """A launch.

    Attributes:
        launch: its name.
        output: folder of all runs.
        cwd: where relative paths begin.
        attempts: how often a job is tried.
        threads: of each worker.
        tasks: in the order in which they are taken.
    """

    launch: str
    output: str
    cwd: str
    attempts: int
    threads: int
    tasks: Sequence[Task]

    def write(self, path: Path) -> None:
        """Write it for the workers."""
        write_json(path, asdict(self))


def read_plan(path: str) -> Plan:
    """Read what :meth:`Plan.write` wrote.

    Raises:
        UserError: the file is not there.
    """
    try:
        tree = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UserError(
            f"plan {path}: a worker cannot read it ({error.strerror}); let the grid's output be a "
            "folder "
            "that all machines see"
        ) from error
    return Plan(**{**tree, "tasks": [Task(**task) for task in tree["tasks"]]})
