"""Runs of train.py and of ``softcpt`` in this process, and the prompts that they leave behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from softcpt.cli import main as cli
from softcpt.cli import train
from tests.helpers.toy import arguments

State = dict[str, torch.Tensor]


def run(
    folder: Path, trainer: str, *more: str, out: str = "out", data: str = "", epochs: int = 0
) -> dict[str, Any]:
    """Run train.py on the toy data set, or on ``data``; returns results.json.

    Args:
        folder: holds data, configuration and output.
        trainer: ``--trainer``.
        more: flags, then KEY VALUE pairs.
        out: the output folder's name in ``folder``.
        data: a registered data set.
        epochs: in place of the toy configuration's.
    """
    pairs = ["DATASET.NAME", data] if data else []
    if epochs:
        pairs += ["OPTIM.MAX_EPOCH", str(epochs)]
    train.main(arguments(folder, trainer, "--output-dir", str(folder / out), *more, *pairs))
    return results(folder / out)


def results(folder: Path) -> dict[str, Any]:
    """A run's results.json."""
    return json.loads((folder / "results.json").read_text())


def prompt(folder: Path) -> State:
    """The prompt of a run's last epoch."""
    files = (folder / "prompt").glob("epoch-*.safetensors")
    return load_file(max(files, key=lambda path: int(path.stem.removeprefix("epoch-"))))


def identical(a: State, b: State) -> bool:
    """Whether two prompts are equal, bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def close(a: State, b: State, atol: float) -> bool:
    """Whether no number of two prompts differs by more than ``atol``."""
    return a.keys() == b.keys() and all(
        torch.allclose(a[name], b[name], rtol=0, atol=atol) for name in a
    )


def softcpt_command(*words: object) -> int:
    """``softcpt <words>``; returns its exit status."""
    try:
        cli.main([str(word) for word in words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0
