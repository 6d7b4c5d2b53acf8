"""The flags of train.py that MVLPT's published code has beyond CoOp's; what their values do is said
in trainers/mvlpt.py.

They stand here so that ``train.py --help`` need not import a trainer, and torch with it.
"""

from __future__ import annotations

import argparse
from typing import Any

# Flags that change nothing here.
_SWITCH: dict[str, Any] = {"action": "store_true"}
ALWAYS_SO: dict[str, tuple[str, dict[str, Any]]] = {
    "--multi-task": ("several data sets are merged, and results are by task", _SWITCH),
    "--dataset-coop": ("data sets are found by their names", _SWITCH),
    "--cut-contextlen": ("no prompt is padded", _SWITCH),
    "--act-ckpt": (
        "memory is bounded by TRAINER.MVLPT.MAX_TEXT_TOKENS and CHECKPOINT",
        {"type": int},
    ),
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that the published code's train.py has beyond CoOp's."""
    add = parser.add_argument
    add(
        "--dataset",
        default="",
        help="names of data sets with commas between them; several are trained together",
    )
    add("--shots", "--num-shots", type=int, help="training images per class (DATASET.NUM_SHOTS)")
    add(
        "--multi-task-label_pertask",
        "--multi-task-label-pertask",
        action="store_true",
        dest="label_pertask",
        help="MVLPT: softmax over the classes of the image's own task, not over all",
    )
    add(
        "--multi-task-evalkey",
        default="",
        help="MVLPT: the task whose metric counts (default: average)",
    )
    for name, (text, kind) in ALWAYS_SO.items():
        add(name, help=f"accepted for MVLPT's scripts: {text}", **kind)
