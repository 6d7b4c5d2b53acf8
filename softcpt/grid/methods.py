"""A method's name -> the trainer, the settings that make it that method, and its configuration
file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softcpt import plugins
from softcpt.engine import config
from softcpt.errors import UserError
from softcpt.prompters import METHODS


@dataclass(frozen=True)
class Method:
    """A trainer and settings; ``learns`` and ``by_steps`` as in
    :class:`softcpt.engine.trainer.PromptTrainer`."""

    trainer: str
    set: Mapping[str, Any]
    learns: bool
    by_steps: bool


def find_method(name: str) -> Method:
    """The trainer ``name``, or that of the method ``name``: "SoftCPT-NATS" is SoftCPT with
    TASK_CSC.

    Raises:
        UserError: there is neither.
    """
    from dassl.engine import TRAINER_REGISTRY

    trainers = {known: TRAINER_REGISTRY.get(known) for known in TRAINER_REGISTRY.registered_names()}
    if name in trainers:
        return _method(name, trainers[name], {})
    methods = {
        getattr(trainer, "method", ""): known for known, trainer in reversed(trainers.items())
    }
    if name in methods:
        return _method(methods[name], trainers[methods[name]], {})
    if name in METHODS:
        prompter, fixed = METHODS[name]
        own = next(
            (known for known in methods if known in METHODS and METHODS[known] == (prompter, {})),
            None,
        )
        if own is not None:
            keys = {option: key for key, option in config.option_keys(prompter.Options).items()}
            node = config.node_name(name)
            return _method(
                methods[own],
                trainers[methods[own]],
                {f"TRAINER.{node}.{keys[option]}": value for option, value in fixed.items()},
            )
    known = sorted({*trainers, *METHODS})
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"method {name}: there is none; {hint}There are {', '.join(known)}")


def _method(name: str, trainer: Any, settings: Mapping[str, Any]) -> Method:
    return Method(
        name, settings, getattr(trainer, "learns", True), getattr(trainer, "by_steps", True)
    )


def config_file(name: str, trainer: str) -> Path:
    """``configs/trainers/<trainer>/<name>.yaml``, or what all methods share:
    ``configs/trainers/shared/<name>.yaml``.

    Raises:
        UserError: there is neither, or ``name`` is a file that does not exist.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name).absolute()
        if path.is_file():
            return path
        raise UserError(
            f"config file {path}: no such file; configs/trainers/ holds those of this project"
        )
    folder = plugins.folder("configs") / "trainers"
    for path in (folder / trainer / f"{name}.yaml", folder / "shared" / f"{name}.yaml"):
        if path.is_file():
            return path
    there = sorted(
        {file.stem for place in (trainer, "shared") for file in (folder / place).glob("*.yaml")}
    )
    raise UserError(f"config {name}: {trainer} has none of that name; there are {', '.join(there)}")


def data_file(name: str) -> Path:
    """``configs/datasets/<name>.yaml``, or the file ``name``.

    Raises:
        UserError: there is no such file.
    """
    folder = plugins.folder("configs") / "datasets"
    path = Path(name).absolute() if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if path.is_file():
        return path
    near = difflib.get_close_matches(
        Path(name).stem, [file.stem for file in folder.glob("*.yaml")], 1
    )
    hint = f"did you mean {near[0]}?" if near else f"those there are, are in {folder}"
    raise UserError(f"data {name}: no file {path}; {hint}")
