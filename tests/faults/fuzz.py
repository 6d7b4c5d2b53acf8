"""``python -m tests.faults.fuzz --inputs 2000``: damaged files for every reader; prints what was
neither data nor one line, or took long."""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from tests.faults.damage import damaged
from tests.faults.readers import CASES, REFUSED

LONGEST = 700  # characters of a message
SECONDS, BYTES = 5.0, 1 << 30  # that one file may take


def right_files(folder: Path) -> dict[str, Path]:
    """A folder with right files for each reader."""
    folders = {}
    for name, case in CASES.items():
        folders[name] = folder / name.replace(" ", "-") / "m"
        folders[name].mkdir(parents=True)
        case.write(folders[name])
    return folders


def look_at(right: Path, name: str, seed: int) -> str:
    """Damage one file of a copy of ``right``, and read it; returns what was wrong with how it was
    refused, "" if nothing was.

    Raises:
        Exception: of another kind than a reader may end in.
    """
    case = CASES[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "m"
        shutil.copytree(right, folder)
        path = folder / case.file
        path.write_bytes(damaged(path.read_bytes(), seed))
        try:
            case.read(path)
        except REFUSED as error:
            text = str(error)
            if "\n" in text or len(text) > LONGEST:
                return f"not one short line: {text[:200]!r}"
            if case.names and place not in text:
                return f"names no file: {text[:200]!r}"
    return ""


def main() -> int:
    """1 if something was not right."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--readers", nargs="+", choices=CASES, default=[*CASES], metavar="READER")
    args = parser.parse_args()
    draw, wrong = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        right = right_files(Path(folder))
        for number in range(args.inputs):
            name, seed = args.readers[number % len(args.readers)], draw.randrange(2**32)
            fault = _fault_of(right, name, seed)
            wrong += bool(fault)
            if fault:
                print(f"{name} {seed}: {fault}", flush=True)
    print(f"{args.inputs} inputs, {wrong} not right")
    return int(wrong > 0)


def _fault_of(right: Mapping[str, Path], name: str, seed: int) -> str:
    began, held = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        fault = look_at(right[name], name, seed)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is not one line)
        where = traceback.extract_tb(error.__traceback__)[-1]
        message = " ".join(str(error).split())[:200]
        return f"{type(error).__name__} at {where.filename}:{where.lineno}: {message}"
    seconds = time.process_time() - began
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) * 1024
    if seconds > SECONDS or more > BYTES:
        return f"{seconds:.1f} s, {more / 1e6:,.0f} MB"
    return fault


if __name__ == "__main__":
    sys.exit(main())
