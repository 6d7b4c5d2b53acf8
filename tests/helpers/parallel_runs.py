"""``torchrun tests/helpers/parallel_runs.py COMMANDS.json``: several runs of train.py, one after
the other, in the same processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import Tensor

from softcpt.cli import train
from softcpt.utils import parallel
from tests.helpers.runs import recorded_logits
from tests.helpers.toy import arguments

LOGITS = "logits.pt"
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
    "CoOp-MT without conflicts": (
        "CoOpMT",
        ["MULTITASK.GRADIENTS", "pcgrad", "MULTITASK.WEIGHTING", "uncertainty"],
    ),
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
    """Run the commands that a JSON file lists; keep the logits of their tests in their folders."""
    with parallel.joined_process_group():
        for command in json.loads(Path(file).read_text()):
            with recorded_logits() as tests:
                train.main(command)
            if parallel.is_main():
                torch.save(tests, Path(command[command.index("--output-dir") + 1]) / LOGITS)


def recorded(folder: Path) -> list[Tensor]:
    """What :func:`main` kept of a run."""
    return torch.load(folder / LOGITS, weights_only=True)


if __name__ == "__main__":
    main(sys.argv[1])
