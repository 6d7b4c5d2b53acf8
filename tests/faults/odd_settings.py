"""Values that make no sense, of every setting: each is refused in one line, or the run with it
ends well or in one line."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from softcpt.engine.config import default_config
from softcpt.engine.config_keys import leaves
from softcpt.engine.run_flags import parser, setup_config
from softcpt.errors import UserError
from tests.faults.place import Place
from tests.helpers.toy import arguments

LONGEST = 2100  # characters of a message: some list all data sets
VALUES = {
    "empty": "",
    "word": "magic",
    "minus": "-7",
    "half": "0.5",
    "huge": "1" + "0" * 400,
    "inf": "inf",
    "nan": "nan",
    "long": "x" * 20_000,
    "nul": "a\0b",
    "surrogate": "a\udcffb",
    "list": "[0, -1, 'x']",
    "numbers": "[1e400, 10**9]",
    "nested": "[" * 300 + "]" * 300,
    "dictionary": "{[]: 1}",
    "none": "None",
    "on": "True",
}
# Of the machine, and of where things are: odd_lines.py tries these.
_LEFT_OUT = ("OUTPUT_DIR", "RESUME", "VERSION")


def keys() -> list[str]:
    """Every setting of a run of CoOp, and one other method's."""
    config = default_config()
    own = (f"TRAINER.{node}" for node in ("COOP", "SOFTCPT"))
    trainers = tuple(f"{node}." for node in own)
    found = (key for key, _ in leaves(config) if key not in _LEFT_OUT)
    return [key for key in found if not key.startswith("TRAINER.") or key.startswith(trainers)]


def refusal(words: list[str]) -> str | None:
    """The one line that says what is wrong with a command line; None: it is taken.

    Raises:
        Exception: whatever else it comes to.
    """
    try:
        setup_config(parser().parse_args(words))
    except UserError as error:
        return str(error)
    return None


def tried(place: Place, chosen: list[str], run: bool) -> Iterator[str]:
    """What is wrong with each value of each of the ``chosen`` keys; ``run``: those that are taken
    are trained with."""
    usual = arguments(place.folder, "CoOp", "--output-dir", str(place.out))
    for key in chosen:
        for name, value in VALUES.items():
            words = [*usual, "OPTIM.MAX_EPOCH", "1", key, value]
            fault = ""
            try:
                message = refusal(words)
            except Exception as error:  # noqa: BLE001 (what a traceback would show)
                message, fault = None, f"{type(error).__name__}: {str(error)[:200]}"
            if message is not None and (len(message) > LONGEST or "\n" in message):
                fault = f"{len(message)} characters, {message.count(chr(10))} breaks"
            if message is None and not fault and run:
                fault = _fault_of_run(place, words)
            if fault:
                yield f"{key} {name}: {fault}"


def _fault_of_run(place: Place, words: list[str]) -> str:
    place.clear()
    ended = place.fork(["train", *words], at_most=30.0)
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    if "Traceback" in ended.err + ended.out:
        return "run: " + ended.err.strip().splitlines()[-1][:200]
    if ended.status and (len(lines) != 1 or len(lines[0]) > LONGEST):
        return f"run: status {ended.status}, {ended.err[-200:]!r}"
    return ""


def main() -> int:
    """Try all settings (those that begin with a word of the command line), and run what is taken;
    1 if something is not right, which is printed."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "place")
        begin = tuple(sys.argv[1:])
        chosen = [key for key in keys() if not begin or key.startswith(begin)]
        for fault in tried(place, chosen, run=True):
            wrong += 1
            print(fault, flush=True)
    print(f"{len(chosen)} settings, {len(VALUES)} values of each, {wrong} not right")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
