"""Runs whole commands, each in a process of its own, on a disk that fails once; then once more on
one that does not."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from softcpt.cli import main as cli
from softcpt.cli import train
from tests.faults.failing import ERRORS, FUNCTIONS, Fault
from tests.helpers.toy import arguments

LONGEST = 700  # characters of a message


@dataclass(frozen=True)
class Ended:
    """How a command ended: status, stdout, stderr, calls of the watched function."""

    status: int
    out: str
    err: str
    calls: int


@dataclass(frozen=True)
class Trial:
    """The ``call``-th call of ``function`` in ``command`` fails with ``error``."""

    command: str
    function: str
    error: str
    call: int

    def __str__(self) -> str:
        return f"{self.command}: call {self.call} of {self.function} fails with {self.error}"


class Place:
    """Where trials run: a finished run to report, to average and to export, and what each command
    writes on a disk that does not fail.

    Args:
        folder: of all this.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.target, self.log = folder, folder / "trial", folder / "log"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["SOFTCPT_CACHE"] = str(self.target / "cache")
        for seed in ("1", "2"):
            ended = self.attempt("train", Fault("write", "EIO", 0, str(self.target)), seed)
            assert ended.status == 0, ended.err
            # As deep as it was: the path of its weights is relative.
            (folder / "runs").mkdir(exist_ok=True)
            (self.target / "out").rename(folder / "runs" / f"run{seed}")
        self.calls: dict[tuple[str, str], int] = {}
        self.right: dict[str, Any] = {}

    def words(self, command: str, seed: str = "1") -> list[str]:
        """The command line."""
        out = str(self.target / "out")
        run, other = (str(self.folder / "runs" / name) for name in ("run1", "run2"))
        if command == "train":
            more = ["--output-dir", out, "--seed", seed]
            return arguments(self.folder, "CoOp", *more, "OPTIM.MAX_EPOCH", "2")
        return {
            "report": ["report", run, "--to", out],
            "export": ["export", run, f"{out}/a.safetensors", "--to", "classifier"],
            "publish": ["export", run, out],
            "average": ["average", run, other, "--output-dir", out],
        }[command]

    def attempt(self, command: str, fault: Fault, seed: str = "1") -> Ended:
        """Run a command, on a disk that fails as ``fault`` says, in a process of its own."""
        words = self.words(command, seed)
        main: Callable[[list[str]], Any] = train.main if command == "train" else cli.main
        child = os.fork()
        if not child:
            _run_and_exit(main, words, fault, self.log)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out, err, calls = (
            self.log.with_suffix(ending).read_text(errors="replace")
            for ending in (".out", ".err", ".calls")
        )
        return Ended(status, out, err, int(calls))

    def measure(self, command: str) -> None:
        """Find out how often each function is called, and what is written in the end."""
        for function in FUNCTIONS:
            shutil.rmtree(self.target, ignore_errors=True)
            ended = self.attempt(command, Fault(function, "EIO", 0, str(self.target)))
            assert ended.status == 0, ended.err
            self.calls[command, function] = ended.calls
        self.right[command] = written(self.target / "out")

    def draw(self, command: str, draw: random.Random) -> Trial:
        """One of all trials of a command."""
        functions = [name for name in FUNCTIONS if self.calls[command, name]]
        function = draw.choice(functions)
        call = draw.randint(1, self.calls[command, function])
        return Trial(command, function, draw.choice(ERRORS), call)

    def look_at(self, trial: Trial) -> str:
        """Make a trial; returns what was wrong, "" if nothing was."""
        shutil.rmtree(self.target, ignore_errors=True)
        fault = Fault(trial.function, trial.error, trial.call, str(self.target))
        failed = self.attempt(trial.command, fault)
        lines = [line for line in failed.err.splitlines() if line.startswith("error: ")]
        if "Traceback" in failed.err:
            return "a traceback: " + failed.err.strip().splitlines()[-1][:200]
        if failed.status and (len(lines) != 1 or len(lines[0]) > LONGEST):
            return f"not one line: {failed.err[-300:]!r}"
        if failed.status == 0 and written(self.target / "out") != self.right[trial.command]:
            return "status 0, and what was written is not right"
        again = self.attempt(trial.command, Fault(trial.function, trial.error, 0, "/nowhere"))
        if again.status:
            return f"the second time, too: {again.err[-300:]!r}"
        left = [str(path) for path in self.target.rglob("*.part")]
        if left:
            return f"left over: {left}"
        if written(self.target / "out") != self.right[trial.command]:
            return "the second time, what was written is not right"
        return ""


def _run_and_exit(
    main: Callable[[list[str]], Any], words: list[str], fault: Fault, log: Path
) -> None:
    """In the child: the command, its output into files."""
    counted = os.open(log.with_suffix(".calls"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor, ending in ((1, ".out"), (2, ".err")):
        file = os.open(log.with_suffix(ending), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
    sys.stdout = os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1)
    write = os.write
    status = 0
    try:
        fault.install()
        main(words)
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - whatever it is, the trial says so
        traceback.print_exc()
        status = 99
    sys.stdout.flush()
    write(counted, str(fault.calls).encode())
    os._exit(status)


def written(folder: Path) -> dict[str, Any]:
    """What a command left, but for times, versions and pictures."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".safetensors" and "resume" not in name:
            found[name] = {key: value.tolist() for key, value in load_file(path).items()}
        elif path.name == "results.json":
            results = json.loads(path.read_text())
            found[name] = [results[key] for key in ("tasks", "overall", "curve", "shared")]
        elif path.suffix in (".csv", ".tex"):
            found[name] = path.read_text()
        elif path.is_file():
            found[name] = None
    return found


def trials(place: Place, count: int, seed: int, commands: list[str]) -> Iterator[tuple[Trial, str]]:
    """``count`` trials, the commands by turns; yields each with what was wrong."""
    draw = random.Random(seed)
    for number in range(count):
        command = commands[number % len(commands)]
        if command not in place.right:
            place.measure(command)
        trial = place.draw(command, draw)
        yield trial, place.look_at(trial)
