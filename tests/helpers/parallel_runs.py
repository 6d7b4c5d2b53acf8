"""``torchrun tests/helpers/parallel_runs.py COMMANDS.json``: several runs of train.py, one after
the other, in the same processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from softcpt.cli import train
from softcpt.utils import parallel
from tests.helpers.toy import arguments

RUNS = {
    "SoftCPT": ("SoftCPT", []),
    "SoftCPT with class contexts": (
        "SoftCPT",
        ["TRAINER.SOFTCPT.CSC", "True", "TRAINER.SOFTCPT.CLASS_CSC", "True"],
    ),
    "SoftCPT of sampled classes": (
        "SoftCPT",
        ["TRAINER.SOFTCPT.CSC", "True", "TRAINER.SOFTCPT.CLS_SAMPLE_RATE", "0.4"],
    ),
    "SoftCPT in slices": ("SoftCPT", ["TRAINER.SOFTCPT.MAX_TEXT_TOKENS", "8"]),
    "CoOp": ("CoOp", []),
    "CoOp in the middle": ("CoOp", ["TRAINER.COOP.CLASS_TOKEN_POSITION", "middle"]),
    "CoOp online": ("CoOp", ["FEATURES.MODE", "online"]),
    "CoOp by validation": ("CoOp", ["TEST.FINAL_MODEL", "best_val"]),
    "CoOp-MT": ("CoOpMT", []),
    "CoCoOp": ("CoCoOp", []),
    "KgCoOp": ("KgCoOp", []),
    "ProGrad": ("ProGrad", []),
    "PLOT": ("PLOT", []),
    "VPT": ("VPT", ["FEATURES.MODE", "online"]),
    "UPT": ("UPT", ["FEATURES.MODE", "online", "OPTIM.LR", "0.002"]),
}


def flags(folder: Path, name: str, out: str = "") -> list[str]:
    """train.py's for one of the runs, into ``folder``/<name> or ``folder``/<out>."""
    trainer, pairs = RUNS[name]
    return arguments(
        folder,
        trainer,
        "--output-dir",
        str(folder / (out or name)),
        "OPTIM.MAX_EPOCH",
        "3",
        "OPTIM.LR",
        "0.2",
        "FEATURES.VIEWS",
        "1",
        *pairs,
    )


def main(file: str) -> None:
    """Run the commands that a JSON file lists."""
    with parallel.joined_process_group():
        for command in json.loads(Path(file).read_text()):
            train.main(command)


if __name__ == "__main__":
    main(sys.argv[1])
