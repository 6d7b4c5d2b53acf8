"""``python -m tests.faults --trials 200 --kills 200 --disks 200``: commands on a disk that fails,
commands that are killed, and commands on real file systems that are too small, read-only or not
ours (root alone can make these); prints what was not right."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tests.faults.commands import COMMANDS
from tests.faults.disk_trials import disk_trials
from tests.faults.place import Place
from tests.faults.trials import trials


def main() -> int:
    """1 if something was not right."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--trials", type=int, default=0, help="on a disk that fails")
    parser.add_argument("--kills", type=int, default=0, help="how many commands are killed")
    parser.add_argument("--disks", type=int, default=0, help="on small file systems")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=[*COMMANDS])
    args = parser.parse_args()
    if not args.trials + args.kills + args.disks:
        parser.error("how many? Give --trials, --kills or --disks")
    chosen, wrong = (args.seed, args.commands), 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "place")
        kinds: tuple[Iterator[tuple[object, str]], ...] = (
            trials(place, args.trials, *chosen),
            trials(place, args.kills, *chosen, kills=True),
            disk_trials(place, args.disks, *chosen),
        )
        for trial, problem in chain(*kinds):
            wrong += bool(problem)
            if problem:
                print(f"{trial}\n    {problem}", flush=True)
    print(f"{args.trials + args.kills + args.disks} trials, {wrong} not right")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
