"""``python tests/helpers/killed_runs.py FOLDER``: a run of train.py into FOLDER/whole, and one into
FOLDER/killed that is killed again and again, each time in another moment, and in the end goes
through.

Each try is a process of its own, forked before torch computes anything.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from softcpt.cli import train
from softcpt.engine.trainer import PromptTrainer
from tests.helpers.runs import keep_this_epoch
from tests.helpers.toy import arguments

# The function before whose n-th call the process is killed. A step of the first epoch, when nothing
# is saved; of a later one; twice when a file is written and does not have its name yet.
MOMENTS = [
    (PromptTrainer, "forward_backward", 3),
    (PromptTrainer, "forward_backward", 13),
    (os, "replace", 2),
    (PromptTrainer, "forward_backward", 6),
    (os, "replace", 3),
]


def die_before(owner: Any, name: str, call: int) -> None:
    """Let the process be killed before the ``call``-th call of a function."""
    original, calls = getattr(owner, name), 0

    def count(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **named)

    setattr(owner, name, count)


def save_every_epoch() -> None:
    """However fast epochs are."""
    after_epoch = PromptTrainer.after_epoch

    def save(trainer: PromptTrainer) -> None:
        keep_this_epoch(trainer)
        after_epoch(trainer)

    PromptTrainer.after_epoch = save


def attempt(flags: list[str], moment: tuple[Any, str, int] | None = None) -> int:
    """Run in a process of its own; returns the signal that ended it, or 0."""
    child = os.fork()
    if not child:
        if moment:
            die_before(*moment)
        train.main(flags)
        sys.stdout.flush()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def main(folder: Path) -> None:
    """Both runs."""
    save_every_epoch()
    flags = {
        name: arguments(
            folder, "SoftCPT", "--output-dir", str(folder / name), "OPTIM.MAX_EPOCH", "8"
        )
        for name in ("whole", "killed")
    }
    assert attempt(flags["whole"]) == 0
    for moment in MOMENTS:
        assert attempt(flags["killed"], moment) == signal.SIGKILL, moment
    assert attempt(flags["killed"]) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
