"""What the emulated device counts: operations, and the host's waits for the device."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

# Results whose number the host must know, or that are read on the host.
_WAITS = (
    "aten::_local_scalar_dense",
    "aten::_unique2",
    "aten::bincount",
    "aten::equal",
    "aten::is_nonzero",
    "aten::masked_select",
    "aten::nonzero",
    "aten::unique_consecutive",
    "aten::unique_dim",
)
INDEXING = (
    "aten::_index_put_impl_",
    "aten::_unsafe_index",
    "aten::index",
    "aten::index_put",
    "aten::index_put_",
)
_NO_LAUNCH = (
    "aten::_unsafe_view",
    "aten::empty",
    "aten::empty_like",
    "aten::empty_strided",
    "aten::new_empty",
    "aten::new_empty_strided",
)


@dataclass
class Counts:
    """What was counted.

    Attributes:
        operations: those that compute or copy, by name; views and bare memory launch nothing.
        waits: of the host for the device, by kind and line of code.
        order: the operations one after the other, with the tensors that each was given; None: not
            recorded, since it keeps all of these.
    """

    operations: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    order: list[tuple[str, list[torch.Tensor]]] | None = None

    @property
    def shapes(self) -> list[tuple[Any, ...]]:
        """The operations with shapes and types of what each was given: what a device that records
        them has to find the same again."""
        return [
            (name, *((tuple(tensor.shape), tensor.dtype) for tensor in given))
            for name, given in self.order or ()
        ]


# Graphs that are being captured, one at most.
capturing: list[object] = []

# Not of one thread or context: a backward pass has threads of its own.
_counting = [Counts()]
_ever = [0]  # operations of this process


@contextmanager
def counted(record: bool = False) -> Iterator[Counts]:
    """Inside, operations and waits are counted, and with ``record`` recorded in their order."""
    _counting.append(Counts(order=[] if record else None))
    try:
        yield _counting[-1]
    finally:
        _counting.pop()


def count(
    func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], on_device: bool, kind: type
) -> None:
    """Count one operation.

    Args:
        func: torch's.
        args: its arguments.
        kwargs: the same by name.
        on_device: whether its result is there.
        kind: of the tensors that are there.
    """
    name, first = func._schema.name, args[0] if args else None
    if name in ("aten::_to_copy", "aten::copy_"):
        _count_copy(args[1] if name == "aten::copy_" else first, args, kwargs, on_device, kind)
    elif isinstance(first, kind):
        if name in _WAITS:
            count_wait(name.removeprefix("aten::"))
        if name in INDEXING:
            index = [one for one in args[1] if one is not None]
            if not all(isinstance(one, kind) for one in index):
                count_wait("index on the host")
            if any(one.dtype in (torch.bool, torch.uint8) for one in index):
                count_wait("index by a mask")
        if str(func) == "aten.repeat_interleave.Tensor":
            count_wait("repeat_interleave")
    if on_device and name not in _NO_LAUNCH and not func.is_view:
        short, counts = name.removeprefix("aten::"), _counting[-1]
        counts.operations[short] += 1
        _ever[0] += 1
        if counts.order is not None:
            given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
            counts.order.append((short, given))


def operations_so_far() -> int:
    """Of this process: the device's clock."""
    return _ever[0]


def _count_copy(
    source: Any, args: Sequence[Any], kwargs: Mapping[str, Any], on_device: bool, kind: type
) -> None:
    """A copy between host and device: only one of pinned memory to the device can be left to go
    on by itself; what is read on the host has to be there."""
    from_device = isinstance(source, kind)
    if from_device == on_device:
        return
    asked = bool(kwargs.get("non_blocking")) or args[2:3] == (True,)
    if from_device or not (asked and getattr(source, "pinned", False)):
        count_wait("copy to the host" if from_device else "copy to the device")


def count_replay() -> None:
    """Count the one launch that a graph takes."""
    _counting[-1].operations["graph"] += 1


def count_wait(kind: str) -> None:
    """Count a wait of this kind at the line of the package that is being run.

    Raises:
        RuntimeError: a graph is being captured.
    """
    if capturing:
        raise RuntimeError(
            f"operation not permitted when stream is capturing ({kind} at {_place()})"
        )
    _counting[-1].waits[f"{kind} at {_place()}"] += 1


def _place() -> str:
    frame, here = sys._getframe(1), PurePath(__file__).parent
    while frame is not None:
        path = PurePath(frame.f_code.co_filename)
        if "softcpt" in path.parts[:-1] and path.parent != here:
            return f"{path.parent.name}/{path.name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "elsewhere"
