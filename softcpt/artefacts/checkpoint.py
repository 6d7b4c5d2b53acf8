"""Saves and loads prompts and the state of a run: safetensors with a JSON header, written whole or
not at all, no pickles."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from softcpt.errors import UserError, reason_of
from softcpt.utils.files import atomic_write
from softcpt.utils.kinds import Kind, wrong_value

PROMPT_FOLDER = "prompt"
RESUME_FILE = "resume.safetensors"
# Of an artefact (softcpt/artefacts/artefact_files.py): its tensors, and its folder inside a run's.
ARTEFACT_PROMPT = "prompt.safetensors"
RUN_ARTEFACT = "artefact"

# What the header of a prompt must have.
_PROMPT: dict[str, Kind] = {
    "method": str,
    "backbone": str,
    "fingerprint": str,
    "tasks": [str],
    "classes": [[str]],
    "options": dict,
    "epoch": int,
    "val_result": (int, float, type(None)),
}
_OF_EPOCH = re.compile(r"epoch-[0-9]{1,9}")


def save_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]
) -> None:
    """Write tensors and a JSON-able header into one safetensors file."""
    with atomic_write(path) as temporary:
        write_tensors(temporary, tensors, header)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """The same, in place: for files that are whole only together."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Not save_file, whose files nobody but their owner can read.
    path.write_bytes(save(tensors, {"softcpt": json.dumps(header)}))


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote.

    Raises:
        UserError: the file is missing, damaged or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"checkpoint {path}: no such file; check --model-dir and --load-epoch")
    try:
        with safe_open(path, framework="pt") as file:
            written = (file.metadata() or {}).get("softcpt", "null")
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        header = json.loads(written)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        reason = reason_of(error)
        raise UserError(
            f"checkpoint {path}: damaged ({reason}); delete it and run again"
        ) from error
    if not isinstance(header, dict):
        raise UserError(
            f"checkpoint {path}: not written by softcpt; give a run's folder as --model-dir"
        )
    return tensors, header


def load_prompt(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The same of a prompt, whose header says for what it was trained.

    Raises:
        UserError: as :func:`load_tensors`; or a part of the header is missing or of another kind.
    """
    tensors, header = load_tensors(path)
    fault = wrong_value(header, _PROMPT)
    if not fault and len(header["tasks"]) != len(header["classes"]):
        fault = "tasks and classes are not equally many"
    if not fault and not isinstance(header.get("selected"), (dict, type(None))):
        fault = "selected is no mapping"
    if fault:
        raise UserError(
            f"checkpoint {path}: its header is damaged ({fault}); delete it and run again, or get "
            "it again"
        )
    return tensors, header


def digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 (hex) of names and values."""
    sha = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        sha.update(name.encode())
        sha.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def prompt_file(folder: str | Path, epoch: int | None) -> Path:
    """Where the prompt of an epoch (1-based) is kept; None: the best on validation."""
    return (
        Path(folder)
        / PROMPT_FOLDER
        / ("best.safetensors" if epoch is None else f"epoch-{epoch}.safetensors")
    )


def resume_file(folder: str | Path) -> Path:
    """Where the state of a run is kept that can go on."""
    return Path(folder) / RESUME_FILE


def find_prompt(folder: str | Path, epoch: int | None = None) -> Path:
    """The prompt of ``epoch``; None: the best on validation if there is one, else the last, else
    that of the artefact that ``folder`` is or has.

    Raises:
        UserError: there is none; the message lists those that are there.
    """
    wanted = prompt_file(folder, epoch)
    if wanted.is_file():
        return wanted
    saved = _epochs(folder)
    if epoch is None and saved:
        return saved[-1]
    for artefact in (Path(folder), Path(folder) / RUN_ARTEFACT):
        if epoch is None and (artefact / ARTEFACT_PROMPT).is_file():
            return artefact / ARTEFACT_PROMPT
    there = (
        f"; saved epochs there: {', '.join(str(_epoch_of(path)) for path in saved)}"
        if saved
        else ""
    )
    raise UserError(f"checkpoint {wanted}: no such file{there or '; check --model-dir'}")


def saved_prompts(folder: str | Path) -> list[Path]:
    """All prompts of a run by epoch, and the best on validation behind them.

    Raises:
        UserError: there is none.
    """
    best = prompt_file(folder, None)
    found = [*_epochs(folder), *([best] if best.is_file() else [])]
    if not found:
        raise UserError(
            f"{best.parent}: no prompts there; give the output folder of a training run"
        )
    return found


def _epochs(folder: str | Path) -> list[Path]:
    found = (Path(folder) / PROMPT_FOLDER).glob("epoch-*.safetensors")
    # Others lie there, too: "epoch-best.safetensors" is somebody's copy.
    return sorted((path for path in found if _OF_EPOCH.fullmatch(path.stem)), key=_epoch_of)


def _epoch_of(path: Path) -> int:
    return int(path.stem.removeprefix("epoch-"))


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimiser's state, flat: "<parameter number>.<name>" -> tensor."""
    return {
        f"{number}.{name}": torch.as_tensor(value)
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if value is not None
    }


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`optimizer_tensors` took; learning rates stay as they are.

    Raises:
        ValueError, IndexError: they are of other parameters.
    """
    state: dict[int, dict[str, Tensor]] = {}
    trained = [one for group in optimizer.param_groups for one in group["params"]]
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        if value.ndim and value.shape != trained[int(number)].shape:
            raise ValueError(f"the optimiser's {key} has the shape of another parameter")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def run_tensors(
    model: nn.Module, optimizer: Optimizer | None, balance: nn.Module | None = None
) -> dict[str, Tensor]:
    """What was learned, the optimiser's state and that of the balance of tasks, flat, as a run's
    file keeps them."""
    tensors = {f"parameter.{name}": value for name, value in model.state_dict().items()}
    if optimizer is not None:
        tensors |= {
            f"optimizer.{key}": value for key, value in optimizer_tensors(optimizer).items()
        }
    if balance is not None:
        tensors |= {f"balance.{name}": value for name, value in balance.state_dict().items()}
    return tensors


def restore_run(
    model: nn.Module,
    optimizer: Optimizer | None,
    tensors: Mapping[str, Tensor],
    place: str | Path,
    balance: nn.Module | None = None,
) -> None:
    """Put back what :func:`run_tensors` gave; ``place`` is named in messages.

    Raises:
        UserError: they are of a model with other parameters.
    """
    try:
        model.load_state_dict(_below("parameter.", tensors))
        if optimizer is not None:
            restore_optimizer(optimizer, _below("optimizer.", tensors))
        if balance is not None:
            balance.load_state_dict(_below("balance.", tensors))
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UserError(
            f"checkpoint {place}: not of this model ({reason_of(error)}); give another --output-dir"
        ) from error


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, under the rest of their names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
