"""Commands on real file systems that are full, read-only, not ours or without locks; then the same
once more with room."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.faults.commands import COMMANDS
from tests.faults.failing import NO_LOCKS
from tests.faults.place import Ended, Place
from tests.faults.small_disk import PAGE, SmallDisk, mounted
from tests.faults.trials import fault_of
from tests.faults.written import differences, written

FULL, FEW_FILES, FULL_LATER = "full", "few files", "full when all is there"
READ_ONLY, NOT_OURS, LOCKLESS = "read-only", "not ours", "no locks"
# The first the most often: each room is another moment.
_KINDS = (FULL, FULL, FULL, FULL, FEW_FILES, FULL_LATER, READ_ONLY, NOT_OURS, LOCKLESS)


@dataclass(frozen=True)
class DiskTrial:
    """A command on a file system that is ``kind``.

    Attributes:
        command: of :data:`COMMANDS`.
        kind: one of the above.
        room: bytes that are left, or files; of "no locks" which of the system's errors says so.
    """

    command: str
    kind: str
    room: int = 0

    def __str__(self) -> str:
        what = {FEW_FILES: "files", LOCKLESS: "is the error"}.get(self.kind, "bytes left")
        return f"{self.command}: {self.kind} ({self.room:,} {what})"


def disk_trials(
    place: Place, count: int, seed: int, commands: Sequence[str]
) -> Iterator[tuple[DiskTrial, str]]:
    """``count`` trials, the commands by turns; yields each with what was wrong, "" if nothing."""
    draw = random.Random(seed)
    sizes: dict[str, tuple[int, int]] = {}
    for number in range(count):
        command = commands[number % len(commands)]
        if command not in sizes:
            sizes[command] = _size(place, command)
        trial = _drawn(command, sizes[command], draw)
        yield trial, look_at(place, trial)


def _size(place: Place, command: str) -> tuple[int, int]:
    """Bytes and files that a command writes."""
    place.measure(command)
    with mounted(place.target) as disk:
        place.prepared(command)
        before = disk.used()
        ended = place.attempt(command)
        assert ended.status == 0, ended.err
        after = disk.used()
    return after[0] - before[0], after[1] - before[1]


def _drawn(command: str, size: tuple[int, int], draw: random.Random) -> DiskTrial:
    kind, (size_bytes, files) = draw.choice(_KINDS), size
    if kind == LOCKLESS:
        return DiskTrial(command, kind, draw.randrange(len(NO_LOCKS)))
    if kind == FEW_FILES:
        return DiskTrial(command, kind, draw.randrange(1, max(2, files)))
    # Many small moments, and some large ones.
    share = draw.random() ** 2
    return DiskTrial(command, kind, PAGE * max(1, int(share * size_bytes / PAGE)))


def look_at(place: Place, trial: DiskTrial) -> str:
    """Make a trial; returns what was wrong, "" if nothing was."""
    with mounted(place.target) as disk:
        place.prepared(trial.command)
        right = place.right[trial.command]
        if trial.kind == FULL_LATER:
            place.attempt(trial.command)
        first = _on_bad_disk(place, disk, trial)
        if fault := fault_of(first):
            return fault
        wrong = differences(written(place.target), right)
        if wrong and first.status == 0:
            return f"status 0, and {wrong}"
        if wrong and trial.kind == FULL_LATER:
            return f"what was there: {wrong}"
        again = place.attempt(trial.command)
        # With all there, some commands say so.
        if again.status and (trial.kind != FULL_LATER or fault_of(again)):
            return f"the second time: {again.err[-400:]!r}"
        wrong = differences(written(place.target), right)
        return f"the second time {wrong}" if wrong else ""


def _on_bad_disk(place: Place, disk: SmallDisk, trial: DiskTrial) -> Ended:
    """One attempt; the disk is well again behind it."""
    if trial.kind == LOCKLESS:
        fault = place.fault("flock", NO_LOCKS[trial.room], 1, for_good=True)
        in_worker = COMMANDS[trial.command].workers and trial.room % 2 == 0
        return place.attempt(trial.command, fault, in_worker=in_worker)
    if trial.kind == READ_ONLY:
        disk.make_readable_only()
    elif trial.kind == NOT_OURS:
        os.chmod(place.target, 0o555)
    elif trial.kind == FEW_FILES:
        disk.limit(files=trial.room)
    else:
        disk.limit(room=trial.room)
    ended = place.attempt(trial.command, obeys=trial.kind == NOT_OURS)
    disk.give_room()
    os.chmod(place.target, 0o755)
    return ended
