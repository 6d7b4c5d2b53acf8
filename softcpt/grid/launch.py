"""What the workers of one launch of a grid work on, in a file that all of them read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from softcpt.errors import UserError
from softcpt.utils.files import write_json


@dataclass(frozen=True)
class QueuedJob:
    """What a worker must know of a job: its name, its folder, train.py's flags, and the folder of
    the job it needs ("": of none)."""

    name: str
    folder: str
    flags: Sequence[str]
    needs: str = ""


@dataclass(frozen=True)
class Launch:
    """One command's run of a grid.

    Attributes:
        name: of the launch.
        output: folder of all runs.
        cwd: where relative paths begin.
        attempts: how often a job is tried.
        threads: of each worker.
        jobs: in the order in which they are taken.
    """

    name: str
    output: str
    cwd: str
    attempts: int
    threads: int
    jobs: Sequence[QueuedJob]

    def write(self, path: Path) -> None:
        """Write it for the workers."""
        write_json(path, asdict(self))


def read_launch(path: str) -> Launch:
    """Read what :meth:`Launch.write` wrote.

    Raises:
        UserError: the file is not there.
    """
    try:
        tree = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UserError(
            f"launch {path}: a worker cannot read it ({error.strerror}); let the grid's output be "
            "a folder that all machines see"
        ) from error
    except (ValueError, RecursionError) as error:
        raise _no_launch(path) from error
    try:
        return Launch(**{**tree, "jobs": [QueuedJob(**job) for job in tree["jobs"]]})
    except (TypeError, KeyError) as error:
        raise _no_launch(path) from error


def _no_launch(path: str) -> UserError:
    return UserError(f"launch {path}: damaged; start the grid again, which writes another")
