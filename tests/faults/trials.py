"""Commands on a disk that fails once, and commands that are killed; then the same once more."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.faults.commands import COMMANDS
from tests.faults.failing import ERRORS, FUNCTIONS, KILLED, MOMENTS, TOO_LARGE
from tests.faults.place import Ended, Place
from tests.faults.written import differences, written

LONGEST = 700  # characters of a message
SMALLEST = 4096  # bytes that a file may have at least: what a command prints goes to one


@dataclass(frozen=True)
class Trial:
    """A fault of a command.

    Attributes:
        command: of :data:`COMMANDS`.
        error: of errno, or KILLED.
        function: whose call it meets; "": the command is killed after ``seconds``, or no file may
            be larger than ``largest``.
        call: which one, counted from 1.
        in_worker: whether it meets a process that the command started.
        seconds: until it is killed.
        largest: bytes of a file.
    """

    command: str
    error: str
    function: str = ""
    call: int = 0
    in_worker: bool = False
    seconds: float = 0.0
    largest: int = 0

    def __str__(self) -> str:
        who = f"{self.command}'s worker" if self.in_worker else self.command
        if self.largest:
            return f"{who}: files of at most {self.largest:,} bytes"
        if not self.function:
            return f"{who}: killed after {self.seconds:.2f} s"
        how = "it is killed" if self.error == KILLED else self.error
        return f"{who}: call {self.call} of {self.function}: {how}"


def trials(
    place: Place, count: int, seed: int, commands: Sequence[str], kills: bool = False
) -> Iterator[tuple[Trial, str]]:
    """``count`` trials, the commands by turns; yields each with what was wrong, "" if nothing."""
    draw = random.Random(seed)
    for number in range(count):
        command = commands[number % len(commands)]
        trial = _kill(place, command, draw) if kills else _failure(place, command, draw)
        yield trial, look_at(place, trial)


def _failure(place: Place, command: str, draw: random.Random) -> Trial:
    if draw.random() < 0.25 and place.largest(command) > SMALLEST:
        largest = draw.randrange(SMALLEST, place.largest(command))
        return Trial(command, TOO_LARGE, largest=largest)
    in_worker = COMMANDS[command].workers and draw.random() < 0.6
    function, call = _moment(place, command, FUNCTIONS, in_worker, draw)
    return Trial(command, draw.choice(ERRORS), function, call, in_worker)


def _kill(place: Place, command: str, draw: random.Random) -> Trial:
    if draw.random() < 0.3:
        return Trial(command, KILLED, seconds=draw.uniform(0, place.seconds(command)))
    in_worker = COMMANDS[command].workers and draw.random() < 0.6
    function, call = _moment(place, command, MOMENTS, in_worker, draw)
    return Trial(command, KILLED, function, call, in_worker)


def _moment(
    place: Place, command: str, functions: Sequence[str], in_worker: bool, draw: random.Random
) -> tuple[str, int]:
    """A call that the command makes."""
    place.measure(command)
    for function in draw.sample(functions, len(functions)):
        if calls := place.calls(command, function, in_worker):
            return function, draw.randint(1, calls)
    raise AssertionError(f"{command} writes nothing")


def look_at(place: Place, trial: Trial) -> str:
    """Make a trial; returns what was wrong, "" if nothing was."""
    place.measure(trial.command)
    place.prepared(trial.command)
    right = place.right[trial.command]
    fault = place.fault(trial.function or "write", trial.error, trial.call)
    first = place.attempt(
        trial.command,
        fault,
        in_worker=trial.in_worker,
        killed_after=trial.seconds,
        largest=trial.largest,
    )
    fault_of_first = _fault_of_killed(trial, first) if trial.error == KILLED else fault_of(first)
    if fault_of_first:
        return fault_of_first
    if first.status == 0 and (wrong := differences(written(place.target), right)):
        return f"status 0, and {wrong}"
    again = place.attempt(trial.command)
    if again.status:
        return f"the second time: {again.err[-400:]!r}"
    wrong = differences(written(place.target), right)
    return f"the second time {wrong}" if wrong else ""


def fault_of(ended: Ended) -> str:
    """What is wrong with how a command ended on a disk that failed."""
    if "Traceback" in ended.err or "Traceback" in ended.out:
        return "a traceback: " + ended.err.strip().splitlines()[-1][:200]
    # `data get` goes on to the next file, and a grid to the next job.
    lines = [line for line in ended.err.splitlines() if line.startswith(("error: ", "Squares: "))]
    lines += [line for line in ended.out.splitlines() if line.startswith("failed: ")]
    told = len(lines) >= 1 and all(len(line) <= LONGEST for line in lines)
    if ended.status and not told:
        return f"not one line: {ended.err[-300:]!r}"
    return ""


def _fault_of_killed(trial: Trial, ended: Ended) -> str:
    """The same of one that was killed. A command whose worker was goes on, and is right."""
    allowed = (0,) if trial.in_worker else (0, -9)
    return "" if ended.status in allowed else f"status {ended.status}: {ended.err[-300:]!r}"
