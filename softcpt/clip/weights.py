"""CLIP weights on disk: OpenAI's published files by name, and any file read into plain tensors."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from softcpt.clip.jit_archive import is_jit_archive, is_zip, read_jit_archive
from softcpt.clip.no_downloads import not_on_this_machine
from softcpt.errors import UserError
from softcpt.utils.archives import read_npz, refuse_bomb
from softcpt.utils.download import download, file_digest

# OpenAI's name -> (file name, sha256), as in the table of github.com/openai/CLIP.
OPENAI_WEIGHTS = {
    "RN50": ("RN50.pt", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"),
    "RN101": ("RN101.pt", "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599"),
    "RN50x4": ("RN50x4.pt", "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd"),
    "RN50x16": ("RN50x16.pt", "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa"),
    "RN50x64": ("RN50x64.pt", "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c"),
    "ViT-B/32": ("ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"),
    "ViT-B/16": ("ViT-B-16.pt", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"),
    "ViT-L/14": ("ViT-L-14.pt", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"),
    "ViT-L/14@336px": (
        "ViT-L-14-336px.pt",
        "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
    ),
}
OPENAI_URL = "https://openaipublic.azureedge.net/clip/models"

# Settings that OpenAI's archives keep among the tensors; a state dict's shapes say the same.
_NOT_WEIGHTS = {"input_resolution", "context_length", "vocab_size"}


def weights_locations(cache_dir: str | os.PathLike[str] | None = None) -> list[Path]:
    """Folders searched for OpenAI's files, first to last; a download goes to the first.

    They are ``cache_dir``, the environment variable ``SOFTCPT_WEIGHTS``, and the cache of OpenAI's
    own loader.
    """
    folders = [cache_dir, os.environ.get("SOFTCPT_WEIGHTS"), "~/.cache/clip"]
    return [Path(folder).expanduser() for folder in folders if folder]


def openai_weights(
    name: str, cache_dir: str | os.PathLike[str] | None = None, may_download: bool = True
) -> Path:
    """Path of OpenAI's file for ``name`` (a key of :data:`OPENAI_WEIGHTS`), downloaded if no folder
    holds it.

    Raises:
        UserError: if a found file has another checksum, or the file is nowhere and cannot or may
            not be downloaded.
    """
    file_name, sha256 = OPENAI_WEIGHTS[name]
    locations = weights_locations(cache_dir)
    for folder in locations:
        path = folder / file_name
        if path.is_file():
            if file_digest(path, sha256) != sha256:
                raise UserError(
                    f"{name}: {path} is not OpenAI's file (its sha256 is not {sha256[:12]}...); "
                    "delete it to have it "
                    "downloaded again, or load weights of your own by their path"
                )
            return path
    if not may_download:
        raise not_on_this_machine(name, [folder / file_name for folder in locations])
    return download(f"{OPENAI_URL}/{sha256}/{file_name}", locations[0] / file_name, sha256)


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Tensors of a weights file by name, floating point as fp32, on the CPU.

    Reads OpenAI's JIT archives, state dicts written by ``torch.save``, safetensors and npz; nothing
    in them is run, and only tensors are unpickled. Wrappers (``{"state_dict": ...}``, a ``module.``
    prefix) are taken off.

    Raises:
        UserError: if the file is missing, truncated or holds something else.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: there is no such weights file; check the path")
    try:
        content = _read(path)
        _refuse_expanded(content)
    # A damaged or foreign file makes zip reader, unpickler and torch raise nearly anything.
    except Exception as error:
        raise UserError(
            f"{path}: {_what_is_wrong(path, error)}; download or save it again, or give a JIT "
            "archive, "
            "a state dict of tensors or safetensors"
        ) from error
    return as_state_dict(content, str(path), consume=True)


def as_state_dict(content: Any, name: str, consume: bool = False) -> dict[str, Tensor]:
    """A new dict of fp32 tensors from a mapping of tensors or arrays, wrappers taken off.

    With ``consume`` the tensors are moved out of ``content``, so that a large file is never held
    twice; without, they are copied and ``content`` stays as it is.

    Raises:
        UserError: if ``content`` is not a mapping of tensors.
    """
    content = _unwrapped(content)
    if not isinstance(content, Mapping) or not content:
        raise UserError(
            f"{name}: holds {type(content).__name__}, not a state dict; give a mapping from names "
            "to tensors"
        )
    take = content.pop if consume and isinstance(content, dict) else content.__getitem__
    state = {}
    for key in list(content):
        if not isinstance(key, str):
            raise UserError(
                f"{name}: {_first_line(repr(key))} is no name of a tensor; give the model's state "
                "dict alone"
            )
        if key.removeprefix("module.") in _NOT_WEIGHTS:
            continue
        value = take(key)
        if not isinstance(value, (Tensor, np.ndarray, np.generic)):
            raise UserError(
                f"{name}: {key!r} is {type(value).__name__}, not a tensor; give the model's state "
                "dict alone"
            )
        state[key.removeprefix("module.")] = _plain(value, f"{name}: {key!r}", copy=not consume)
    return state


def _plain(value: Any, where: str, copy: bool) -> Tensor:
    """A dense tensor on the CPU, floating point as fp32."""
    if isinstance(value, Tensor):
        tensor = value.detach()
        if tensor.is_meta:
            fault = "has a shape and no numbers (a tensor on the device 'meta')"
            raise UserError(f"{where} {fault}; save the model again with its weights loaded")
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise UserError(f"{where} is sparse or quantized; save it as a dense tensor of floats")
    else:
        try:
            tensor = torch.from_numpy(np.array(value))
        except TypeError as error:  # text, dates, numbers that torch does not have
            raise UserError(
                f"{where} is an array of {value.dtype}, not of numbers that torch has; leave it out"
            ) from error
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return tensor.to("cpu", dtype, copy=copy)


def _unwrapped(content: Any) -> Any:
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        return content["state_dict"]
    return content


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        # Cloned, for load_file's tensors are the file itself, mapped into memory.
        return {key: tensor.clone() for key, tensor in load_file(path).items()}
    if path.suffix == ".npz":
        return read_npz(path)
    if is_zip(path):
        with zipfile.ZipFile(path) as file:
            refuse_bomb(file, path.stat().st_size)
    if is_jit_archive(path):
        return read_jit_archive(path)
    content: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def _refuse_expanded(content: Any) -> None:
    """A view that repeats its storage can state any size, and would be allocated whole on
    conversion to fp32."""
    content = _unwrapped(content)
    if not isinstance(content, Mapping):
        return
    for key, value in content.items():
        if not isinstance(value, Tensor) or value.is_meta or value.layout != torch.strided:
            continue  # as_state_dict refuses them
        if value.nbytes > value.untyped_storage().nbytes():
            raise ValueError(f"{key!r} is larger than what is stored of it")


def _what_is_wrong(path: Path, error: Exception) -> str:
    with open(path, "rb") as file:
        start = file.read(2)
    if not start or (start == b"PK" and not is_zip(path)):
        return "the file is truncated"
    if isinstance(error, pickle.UnpicklingError):
        return (
            "not a weights file, or one with objects that are not tensors, which are not "
            "unpickled for safety"
        )
    return f"not a weights file ({_first_line(error)})"


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
