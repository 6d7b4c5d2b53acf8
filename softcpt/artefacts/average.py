"""Averages several runs' prompts, as of MVLPT's source prompts over seeds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from softcpt import selection
from softcpt.artefacts import checkpoint
from softcpt.errors import UserError

# What prompts must have in common for their tensors to mean the same.
_COMMON = ("method", "backbone", "fingerprint", "tasks", "classes", "options")


def average(runs: Sequence[str | Path], folder: str | Path, epoch: int | None = None) -> Path:
    """Write the mean of every tensor of the runs' prompts into ``folder``, which ``--model-dir``
    then takes.

    Args:
        runs: folders of runs that differ in their seeds.
        folder: of the mean, which is kept as a run's best prompt.
        epoch: of all runs; None: of each the best on validation, else the last.

    Raises:
        UserError: there are no prompts, or they are of different methods, backbones, tasks or
            options.
    """
    paths = [checkpoint.find_prompt(run, epoch) for run in runs]
    if len(paths) < 2:
        raise UserError(
            f"average: {len(paths)} run given; give two or more, or a folder with seed1, seed2, "
            "... in it"
        )
    states, headers = zip(*map(checkpoint.load_prompt, paths))
    for path, header in zip(paths, headers):
        other = next((name for name in _COMMON if header.get(name) != headers[0].get(name)), None)
        if other:
            raise UserError(
                f"checkpoint {path}: its {other} is not that of {paths[0]}; average runs that "
                "differ in "
                "nothing but the seed"
            )
    mean = {
        name: torch.stack([state[name].double() for state in states]).mean(dim=0).to(tensor.dtype)
        for name, tensor in states[0].items()
    }
    about: dict[str, Any] = {
        "epoch": sum(header["epoch"] for header in headers) // len(headers),
        "val_result": None,
    }
    if all(header["val_result"] is not None for header in headers):
        about["val_result"] = sum(header["val_result"] for header in headers) / len(headers)
    about["selected"] = selection.of_mean(headers)
    about["average_of"] = [os.path.relpath(path, folder) for path in paths]
    target = checkpoint.prompt_file(folder, None)
    checkpoint.save_tensors(target, mean, headers[0] | about)
    return target
