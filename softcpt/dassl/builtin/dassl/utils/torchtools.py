"""Checkpoints, and which layers learn."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from softcpt.dassl.loading import load_safely
from softcpt.utils.files import atomic_write, file_for_torch

from .errors import MissingFileError, UnavailableError

POINTER = "checkpoint"  # a text file naming the checkpoint written last
BEST = "model-best.pth.tar"


def _without_module(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Keys as they are without nn.DataParallel around the model."""
    return {key.removeprefix("module."): value for key, value in state_dict.items()}


def save_checkpoint(
    state: Mapping[str, Any],
    save_dir: str,
    is_best: bool = False,
    remove_module_from_keys: bool = True,
    model_name: str = "",
) -> None:
    """Write ``<save_dir>/<model_name or model.pth.tar-EPOCH>``, then the file ``checkpoint`` that
    names it.

    ``state`` holds state_dict, epoch (1-based), optimizer, scheduler and val_result. With
    ``is_best`` the file is also copied to ``model-best.pth.tar``. Each file is written whole or not
    at all, the pointer last.
    """
    state = {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in state.items()
    }
    if remove_module_from_keys:
        state["state_dict"] = _without_module(state["state_dict"])
    name = model_name or f"model.pth.tar-{state['epoch']}"
    fpath = os.path.join(save_dir, name)
    with atomic_write(fpath) as temporary, file_for_torch(temporary) as file:
        torch.save(state, file)
    print(f"saved {fpath}")
    with atomic_write(os.path.join(save_dir, POINTER)) as temporary:
        temporary.write_text(f"{name}\n", encoding="utf-8")
    if is_best:
        best = os.path.join(save_dir, BEST)
        with atomic_write(best) as temporary:
            shutil.copy(fpath, temporary)
        print(f"saved {best}, the best so far")


def load_checkpoint(fpath: str) -> dict[str, Any]:
    """The dictionary in a checkpoint, its tensors on the CPU. Reads files written by Dassl, too;
    runs no code in them.

    Raises MissingFileError (a FileNotFoundError) when there is no file, and UserError when it holds
    other than plain data.
    """
    if fpath is None:
        raise ValueError("load_checkpoint: the path is None; pass the path of a checkpoint")
    if not os.path.exists(fpath):
        raise MissingFileError(f"{fpath}: no such checkpoint; check the folder and the epoch")
    content: dict[str, Any] = load_safely(fpath, map_location="cpu")
    return content


def resume_from_checkpoint(
    fdir: str, model: nn.Module, optimizer: Any = None, scheduler: Any = None
) -> int:
    """Load the checkpoint that ``<fdir>/checkpoint`` names into all three; return its epoch, the
    next 0-based one."""
    pointer = os.path.join(fdir, POINTER)
    if not os.path.exists(pointer):
        raise MissingFileError(
            f"{pointer}: no such file, so nothing says where to continue; remove {fdir} to start "
            "from epoch 1"
        )
    with open(pointer, encoding="utf-8") as file:
        fpath = os.path.join(fdir, file.readline().strip())
    saved = load_checkpoint(fpath)
    model.load_state_dict(saved["state_dict"])
    for key, target in (("optimizer", optimizer), ("scheduler", scheduler)):
        if target is not None and saved.get(key) is not None:
            target.load_state_dict(saved[key])
    print(f"{fpath}: continuing after epoch {saved['epoch']}")
    return int(saved["epoch"])


def load_pretrained_weights(model: nn.Module, weight_path: str) -> None:
    """Copy into ``model`` every tensor of a checkpoint whose name and shape match; report the
    others."""
    saved = load_checkpoint(weight_path)
    own = model.state_dict()
    given = _without_module(saved.get("state_dict", saved))
    matched = {
        key: value for key, value in given.items() if key in own and own[key].shape == value.shape
    }
    discarded = [key for key in given if key not in matched]
    model.load_state_dict(own | matched)
    if not matched:
        warnings.warn(
            f"{weight_path}: no tensor fits the model by name and shape; check its keys",
            stacklevel=2,
        )
        return
    print(f"{len(matched)} tensors taken from {weight_path}")
    if discarded:
        print(f"left out, as the model has none of that name and shape: {discarded}")


def open_all_layers(model: nn.Module) -> None:
    """Let all layers learn, and set training mode."""
    model.train().requires_grad_(True)


def open_specified_layers(model: nn.Module, open_layers: str | Iterable[str]) -> None:
    """Let only the named children of ``model`` learn; freeze the others and set them to evaluation
    mode."""
    model = model.module if isinstance(model, nn.DataParallel) else model
    names = {open_layers} if isinstance(open_layers, str) else set(open_layers)
    missing = sorted(name for name in names if not hasattr(model, name))
    if missing:
        raise AssertionError(f"open_specified_layers: {type(model).__name__} has no {missing}")
    for name, child in model.named_children():
        child.train(name in names).requires_grad_(name in names)


def count_num_param(model: nn.Module | None = None, params: Iterable[Any] | None = None) -> int:
    """Numbers in a model, or in parameters or ``{"params": parameter}`` groups."""
    if model is not None:
        return sum(parameter.numel() for parameter in model.parameters())
    if params is not None:
        return sum((item["params"] if isinstance(item, dict) else item).numel() for item in params)
    raise ValueError("count_num_param: neither a model nor parameters given; pass one of them")


def init_network_weights(model: nn.Module, init_type: str = "normal", gain: float = 0.02) -> None:
    """Draw new weights of convolutions and linear layers; biases 0, normalisation layers 1 and
    0.

    ``init_type`` is normal (std ``gain``), xavier or orthogonal (gain ``gain``), or kaiming
    (fan-in).
    """
    draws = {
        "normal": lambda w: nn.init.normal_(w, 0.0, gain),
        "xavier": lambda w: nn.init.xavier_normal_(w, gain=gain),
        "kaiming": lambda w: nn.init.kaiming_normal_(w, a=0, mode="fan_in"),
        "orthogonal": lambda w: nn.init.orthogonal_(w, gain=gain),
    }
    if init_type not in draws:
        raise UnavailableError(f"init_type {init_type!r}: not among {list(draws)}")
    for module in model.modules():
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if weight is None:
            continue
        kind = type(module).__name__
        if "Conv" in kind or "Linear" in kind:
            draws[init_type](weight)
        elif "BatchNorm" in kind or "InstanceNorm" in kind:
            nn.init.ones_(weight)
        else:
            continue
        if bias is not None:
            nn.init.zeros_(bias)
