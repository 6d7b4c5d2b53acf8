"""Reads checkpoint folders of the published codes (CoOp, CoCoOp, SoftCPT, MVLPT) without running
what is in them.

Dassl writes ``<folder>/<module>/model.pth.tar-<epoch>`` and ``model-best.pth.tar`` for every
registered module (prompt_learner, task_prompt_learner, prompt_gen, class_prompt_learner): a pickle
of the module's state_dict, the epoch, the optimiser's state, and the schedule with live objects in
it. Torch refuses the latter, so they are read by an unpickler that admits tensors and plain data,
passes over objects of every other class, and imports nothing.
"""

from __future__ import annotations

import collections
import pickle
import types
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from softcpt.artefacts.checkpoint import PROMPT_FOLDER
from softcpt.clip.jit_archive import is_jit_archive, is_zip
from softcpt.errors import UserError, reason_of
from softcpt.utils.archives import refuse_bomb
from softcpt.utils.unpickling import InertUnpickler, Refused

BEST = "model-best.pth.tar"
OF_EPOCH = "model.pth.tar-"


@dataclass(frozen=True)
class Reference:
    """What a published code trained.

    Attributes:
        tensors: "<module>.<parameter>" -> tensor.
        epoch: that it was saved after, counted from 1.
        best: whether it is the best on what its code took for validation images.
    """

    tensors: dict[str, Tensor]
    epoch: int
    best: bool = False


def is_reference(folder: str | Path) -> bool:
    """Whether ``folder`` holds checkpoints of a published code, and no run of ours (exported there,
    maybe)."""
    return bool(_modules(Path(folder))) and not (Path(folder) / PROMPT_FOLDER).is_dir()


def read_reference(folder: str | Path, epoch: int | None = None) -> Reference:
    """Read the checkpoints of all modules in ``folder``.

    Args:
        folder: with a folder for each module in it.
        epoch: 1-based; None: the best on validation if all modules have it, else the last that all
            have.

    Raises:
        UserError: there is no such checkpoint, or a file is damaged, foreign, or would call
            functions when unpickled.
    """
    modules = _modules(Path(folder))
    name = _choose(Path(folder), modules, epoch)
    tensors, epochs = {}, set()
    for module in modules:
        path = module / name
        state, saved = _read(path)
        epochs.add(saved)
        for key, tensor in state.items():
            # MVLPT's first release called its projection upt_proj; nn.DataParallel puts "module."
            # in front.
            name_today = key.removeprefix("module.").replace("upt_proj", "mvlpt_proj")
            tensors[f"{module.name}.{name_today}"] = tensor
    if len(epochs) > 1:
        raise UserError(
            f"checkpoint {folder}: {name} is of different epochs in its folders "
            f"({', '.join(map(str, sorted(epochs)))}); choose one with --load-epoch"
        )
    return Reference(tensors, epochs.pop(), name == BEST)


def _modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/") if any(path.glob("model*.pth.tar*")))


def _choose(folder: Path, modules: list[Path], epoch: int | None) -> str:
    """The file name that all modules have."""
    if not modules:
        raise UserError(
            f"checkpoint {folder}: no folder <module>/model.pth.tar-<epoch> in it; check "
            "--model-dir"
        )
    common = set.intersection(
        *({path.name for path in module.glob("model*.pth.tar*")} for module in modules)
    )
    epochs = sorted(
        int(name.removeprefix(OF_EPOCH)) for name in common if name.removeprefix(OF_EPOCH).isdigit()
    )
    if epoch is None:
        wanted = BEST if BEST in common or not epochs else f"{OF_EPOCH}{epochs[-1]}"
    else:
        wanted = f"{OF_EPOCH}{epoch}"
    if wanted not in common:
        there = ", ".join(map(str, epochs)) or "none"
        raise UserError(
            f"checkpoint {folder}: {wanted} is not in all of "
            f"{', '.join(path.name for path in modules)}; "
            f"epochs there: {there}"
        )
    return wanted


def _read(path: Path) -> tuple[dict[str, Tensor], int]:
    """State_dict and epoch of one file."""
    try:
        if is_jit_archive(path):  # torch.load would run it
            raise ValueError("it is a TorchScript archive")
        if is_zip(path):
            with zipfile.ZipFile(path) as file:
                refuse_bomb(file, path.stat().st_size)
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=_inert)
    except Refused as error:
        raise UserError(
            f"checkpoint {path}: {error}; do not use it, or save its state_dict again where it "
            "comes from"
        ) from error
    # A damaged or foreign file makes zip reader, unpickler and torch raise nearly anything.
    except Exception as error:
        raise UserError(
            f"checkpoint {path}: damaged or no checkpoint ({type(error).__name__}: "
            f"{reason_of(error)}); get it again"
        ) from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(v, Tensor) and not v.is_meta and isinstance(k, str) for k, v in state.items()
    ):
        raise UserError(
            f"checkpoint {path}: no state_dict of tensors in it, so no code of the CoOp family "
            "wrote it; "
            "give the output folder of a training run as --model-dir"
        )
    epoch = content.get("epoch")
    return dict(state), epoch if isinstance(epoch, int) else 0


class _TensorsAndPlainData(InertUnpickler):
    """Admits tensors; torch itself answers for storages."""

    admitted: ClassVar = {
        "collections.OrderedDict": collections.OrderedDict,
        "torch.Size": torch.Size,
        "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
        "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
    }


def _load(file: Any, **options: Any) -> Any:
    return _TensorsAndPlainData(file, **options).load()


# What torch.load takes for a pickle module.
_inert = types.SimpleNamespace(
    __name__="softcpt.artefacts.published_checkpoints", Unpickler=_TensorsAndPlainData, load=_load
)
