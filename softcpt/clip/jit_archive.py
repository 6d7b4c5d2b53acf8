"""Reads the tensors of TorchScript archives as data; ``torch.jit.load`` would run the code in them.

An archive is a zip of one folder: ``data.pkl`` pickles the tree of modules, with tensors as views
of storages; ``data/<key>`` holds the bytes of a storage; ``code/`` holds the classes as text, which
says what of a module's attributes is a parameter or a buffer. Format:
torch/csrc/jit/docs/serialization.md of github.com/pytorch/pytorch.
"""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor

from softcpt.utils.unpickling import InertUnpickler, StandIn

_DTYPES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
    "torch.ComplexFloatStorage": torch.complex64,
    "torch.ComplexDoubleStorage": torch.complex128,
}

# Only text is compressed, tensors are stored as they are: what unpacks to more is a trap.
_UNPACKED_TEXT = 1 << 28
# A pickle may refer to one module from many places, and so make a tree without end.
_MOST_MODULES = 20_000

_CLASS = re.compile(r"^class (\w+)(\(Module\))?.*:\s*$")
_NAMES = re.compile(r"^  __(?:parameters|buffers)__ = \[(.*)\]\s*$")


def is_zip(path: Path) -> bool:
    """Whether ``path`` is a zip file; a damaged directory, for which zipfile raises, is none."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return False


def is_jit_archive(path: Path) -> bool:
    """Whether ``path`` is an archive that ``torch.jit.save`` wrote: only those keep constants.

    Raises:
        zipfile.BadZipFile: the zip file's directory is damaged.
    """
    if not is_zip(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_jit_archive(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers of a TorchScript archive: ``torch.jit.load(path).state_dict()``.

    Nothing in the archive is run. Tensors keep their type and share storages as in the archive;
    they are on the CPU.

    Raises:
        ValueError: a class restores itself by code of its own, or the archive contradicts itself.
        pickle.UnpicklingError: the pickle calls functions.
        Exception: whatever damaged bytes make the zip reader and the unpickler raise.
    """
    with zipfile.ZipFile(path) as file:
        if (
            sum(record.file_size for record in file.infolist())
            > path.stat().st_size + _UNPACKED_TEXT
        ):
            raise ValueError("it unpacks to far more than its size")
        archive = _Archive(file)
        root = _ModulesAndTensors(io.BytesIO(archive.read("data.pkl")), archive).load()
        return _state_dict(root, _Classes(archive))


class _Archive:
    """The zip file with names as seen inside its one folder, and the storages in it."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self.file = file
        names = set(file.namelist())
        folders = {name.split("/")[0] for name in names}
        if len(folders) != 1:
            raise ValueError("it is not one folder")
        self.folder = folders.pop()
        self.storages: dict[str, Tensor] = {}
        is_marked = f"{self.folder}/byteorder" in names  # since PyTorch 2.1
        if is_marked and self.read("byteorder").decode() != sys.byteorder:
            raise ValueError("its numbers are in the byte order of another kind of machine")

    def read(self, name: str) -> bytes:
        return self.file.read(f"{self.folder}/{name}")

    def storage(self, key: str) -> Tensor:
        """The bytes of ``data/<key>``, uint8 (n,), the same tensor for the same key."""
        if key not in self.storages:
            record = self.file.getinfo(f"{self.folder}/data/{key}")
            content = torch.empty(record.file_size, dtype=torch.uint8)
            with self.file.open(record) as stream:
                # A ZipExtFile, though it is annotated as IO[bytes].
                if cast(io.BufferedIOBase, stream).readinto(content.numpy().data) != len(content):
                    raise ValueError(f"storage {key} is cut short")
            self.storages[key] = content
        return self.storages[key]


def _view(
    storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *more: Any
) -> Tensor:
    """Replaces ``torch._utils._rebuild_tensor_v2``, whose numbers nothing here would check."""
    _requires_grad, _hooks, *metadata = more
    if any(metadata):  # a view that is conjugated or negated on reading
        raise ValueError("a tensor in it is not stored as it is")
    if len(size) != len(stride) or min(offset, *size, *stride, 0) < 0:
        raise ValueError("a tensor in it has an impossible shape")
    if 0 in size:
        return torch.empty(tuple(size), dtype=storage.dtype)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if last >= len(storage):
        raise ValueError("a tensor in it is larger than its storage")
    return storage.as_strided(tuple(size), tuple(stride), offset)


class _ModulesAndTensors(InertUnpickler):
    """Makes tensors, and a stand-in for each module, whose ``state`` are its attributes."""

    admitted: ClassVar = {
        "collections.OrderedDict": OrderedDict,
        "torch._utils._rebuild_tensor_v2": _view,
    }

    def __init__(self, stream: io.BytesIO, archive: _Archive) -> None:
        super().__init__(stream)
        self.archive = archive

    def persistent_load(self, pid: Any) -> Tensor:
        """A storage, (numel,), from ("storage", type, key, device that it was on, numel)."""
        _, kind, key, _, numel = pid
        if kind.__name__ not in _DTYPES:
            raise ValueError(f"storage {key} is a {kind.__name__}")
        content, dtype = self.archive.storage(key), _DTYPES[kind.__name__]
        if numel * dtype.itemsize != len(content):
            raise ValueError(f"storage {key} is not of the size that is stated")
        return content.view(dtype)


class _Class(NamedTuple):
    """What the text of a class says.

    Attributes:
        is_module: whether it is one, and no other class of TorchScript's.
        tensors: names of its parameters and buffers.
        restores_itself: whether it has code that is to be run when it is read.
    """

    is_module: bool
    tensors: frozenset[str]
    restores_itself: bool


class _Classes:
    """The classes of an archive, each read from its file in ``code/`` when it is asked for."""

    def __init__(self, archive: _Archive) -> None:
        self.archive = archive
        self.files: dict[str, dict[str, _Class]] = {}

    def __getitem__(self, qualified: str) -> _Class:
        """The class "__torch__.<module>.<name>"."""
        module, _, name = qualified.rpartition(".")
        if module not in self.files:
            text = self.archive.read(f"code/{module.replace('.', '/')}.py").decode()
            self.files[module] = _classes(text)
        if name not in self.files[module]:
            raise ValueError(f"its class {qualified} is missing")
        return self.files[module][name]


def _classes(text: str) -> dict[str, _Class]:
    classes: dict[str, _Class] = {}
    name = ""
    for line in text.splitlines():
        if found := _CLASS.match(line):
            name = found[1]
            classes[name] = _Class(bool(found[2]), frozenset(), False)
        elif name and (listed := _NAMES.match(line)):
            tensors = classes[name].tensors | set(re.findall(r'"([^"]*)"', listed[1]))
            classes[name] = classes[name]._replace(tensors=tensors)
        elif name and line.startswith("  def __setstate__("):
            classes[name] = classes[name]._replace(restores_itself=True)
    return classes


def _state_dict(root: Any, classes: _Classes) -> dict[str, Tensor]:
    """Tensors of the tree of modules by dotted name, a module's own before its children's."""
    state: dict[str, Tensor] = {}
    waiting, seen = [("", root)], 0
    while waiting:
        prefix, module = waiting.pop()
        seen += 1
        if seen > _MOST_MODULES:
            raise ValueError(
                f"it has more than {_MOST_MODULES} modules, or modules that hold themselves"
            )
        children = []
        for name, value in _attributes(module, classes).items():
            if isinstance(value, Tensor):
                state[f"{prefix}{name}"] = value
            else:
                children.append((f"{prefix}{name}.", value))
        waiting += reversed(children)
    return state


def _attributes(module: Any, classes: _Classes) -> dict[str, Any]:
    """The parameters, buffers and children of one module; its other attributes are left out."""
    if not _is_module(module, classes):
        raise ValueError(f"it holds {type(module).__name__}, not a module")
    kind = classes[type(module).__name__]
    if kind.restores_itself:
        raise ValueError(f"its class {type(module).__name__} would run code to restore itself")
    if not isinstance(module.state, dict):
        raise ValueError(f"its module {type(module).__name__} has no attributes")
    kept = {}
    for name, value in module.state.items():
        if name in kind.tensors and value is not None and not isinstance(value, Tensor):
            raise ValueError(f"its {name} is no tensor")
        if (name in kind.tensors and value is not None) or _is_module(value, classes):
            kept[name] = value
    return kept


def _is_module(value: Any, classes: _Classes) -> bool:
    name = type(value).__name__
    if not isinstance(value, StandIn) or not name.startswith("__torch__."):
        return False
    # Objects of classes in C++ (__torch__.torch.classes...) have no text, and hold no parameters.
    return not name.startswith("__torch__.torch.classes.") and classes[name].is_module
