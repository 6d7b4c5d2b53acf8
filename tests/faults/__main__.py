"""``python -m tests.faults --trials 200``: commands on a disk that fails; prints what was not
right."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults.trials import Place, trials

COMMANDS = ["train", "report", "export", "publish", "average"]


def main() -> int:
    """1 if something was not right."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=COMMANDS)
    args = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "place")
        for trial, problem in trials(place, args.trials, args.seed, args.commands):
            wrong += bool(problem)
            if problem:
                print(f"{trial}\n    {problem}", flush=True)
    print(f"{args.trials} trials, {wrong} not right")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
