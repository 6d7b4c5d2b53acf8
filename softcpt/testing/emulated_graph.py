"""Graphs of the emulated device: what is captured is recorded, not done, and a replay does it again
on the same tensors.

So a captured step gives right results only if its inputs stay where they are and nothing in it
depends on what the host decides again. What CUDA refuses while it captures is refused: a wait, and
copies of memory that the host may use for something else. Its own memory is poisoned until the
first replay, as a capture computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from softcpt.engine.graphs import GRAPHS
from softcpt.testing.emulated_counts import capturing, count_replay
from softcpt.testing.emulated_device import NAME, RECORDERS, EmulatedTensor

T = TypeVar("T")


@contextmanager
def emulated_graphs() -> Iterator[None]:
    """Inside, the emulated device has graphs."""
    GRAPHS[NAME] = EmulatedGraph
    try:
        yield
    finally:
        del GRAPHS[NAME]


@dataclass(frozen=True)
class _Operation:
    """One operation on values, which are those of the device's tensors."""

    func: Any
    args: Sequence[Any]
    kwargs: dict[str, Any]
    results: list[Tensor]

    def again(self) -> None:
        found = _tensors(self.func(*self.args, **self.kwargs))
        if self.func._schema.is_mutable:
            return
        for result, value in zip(self.results, found, strict=True):
            result.copy_(value)


class EmulatedGraph:
    """One captured piece of work."""

    def __init__(self, _device: torch.device) -> None:
        self._operations: list[_Operation] = []
        self._own: set[int] = set()  # memory that the work makes, by address
        self._before: dict[int, tuple[Tensor, Tensor]] = {}  # other memory, as it was

    def capture(self, work: Callable[[], T], beside: object = None) -> T:  # noqa: ARG002 - memory
        """Record ``work``; see :class:`softcpt.engine.graphs.Graph`."""
        capturing.append(self)
        RECORDERS.append(self)
        try:
            return work()
        finally:
            RECORDERS.remove(self)
            capturing.remove(self)
            self._undo()

    def replay(self) -> None:
        """Do the work again."""
        count_replay()
        with torch.no_grad():
            for operation in self._operations:
                operation.again()

    # -- what the device shows -----------------------------------------------------------------

    def before(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Refuse what cannot be captured, and keep what will be written to."""
        tensors = _tensors((args, kwargs))
        ours = [tensor for tensor in tensors if isinstance(tensor, EmulatedTensor)]
        target = kwargs.get("device")
        if not ours and (target is None or torch.device(target).type != NAME):
            return
        host = [tensor for tensor in tensors if not isinstance(tensor, EmulatedTensor)]
        # A lone number is read at once and becomes part of the launch; not so in a copy.
        copies = func._schema.name in ("aten::_to_copy", "aten::copy_")
        if any(tensor.dim() > 0 or copies for tensor in host):
            raise RuntimeError(
                f"operation not permitted when stream is capturing ({func}: the host's memory)"
            )
        if func._schema.is_mutable:
            for tensor in ours:
                whole, place = _whole(tensor.on_cpu), _place(tensor.on_cpu)
                if place not in self._own and place not in self._before:
                    self._before[place] = (whole, whole.clone())

    def after(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> None:
        """Record an operation of the device."""
        results = [one.on_cpu for one in _tensors(result) if isinstance(one, EmulatedTensor)]
        if not results:
            return
        given = [_value(leaf) for leaf in _tensors((args, kwargs))]
        self._own |= {_place(one) for one in results} - {_place(one) for one in given}
        if func.is_view:
            return
        args, kwargs = tree_map(_kept, (tuple(args), kwargs))
        if "device" in kwargs:
            kwargs["device"] = torch.device("cpu")
        self._operations.append(_Operation(func, args, kwargs, results))

    def _undo(self) -> None:
        """As if nothing had been done."""
        for whole, values in self._before.values():
            whole.copy_(values)
        for operation in self._operations:
            for result in operation.results:
                if _place(result) in self._own:
                    result.fill_(torch.nan if result.is_floating_point() else 1)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _value(leaf: Any) -> Any:
    return leaf.on_cpu if isinstance(leaf, EmulatedTensor) else leaf


def _kept(leaf: Any) -> Any:
    """The device's values themselves, and of the host's numbers those of now."""
    if isinstance(leaf, EmulatedTensor):
        return leaf.on_cpu
    return leaf.clone() if isinstance(leaf, Tensor) else leaf


def _place(values: Tensor) -> int:
    return values.untyped_storage().data_ptr()


def _whole(values: Tensor) -> Tensor:
    """All of the memory that ``values`` are part of."""
    storage = values.untyped_storage()
    return torch.empty(0, dtype=torch.uint8).set_(storage, 0, (storage.nbytes(),))  # type: ignore[call-overload, no-any-return]
