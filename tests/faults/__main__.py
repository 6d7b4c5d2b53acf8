"""``python -m tests.faults --trials 200 --kills 200``: commands on a disk that fails, and commands
that are killed; prints what was not right."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults.commands import COMMANDS
from tests.faults.place import Place
from tests.faults.trials import trials


def main() -> int:
    """1 if something was not right."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--trials", type=int, default=0, help="on a disk that fails")
    parser.add_argument("--kills", type=int, default=0, help="how many commands are killed")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=[*COMMANDS])
    args = parser.parse_args()
    if not args.trials + args.kills:
        parser.error("how many? Give --trials or --kills")
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "place")
        for count, kills in ((args.trials, False), (args.kills, True)):
            for trial, problem in trials(place, count, args.seed, args.commands, kills):
                wrong += bool(problem)
                if problem:
                    print(f"{trial}\n    {problem}", flush=True)
    print(f"{args.trials + args.kills} trials, {wrong} not right")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
