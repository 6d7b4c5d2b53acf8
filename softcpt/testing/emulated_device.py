"""A pretended accelerator for machines without one: real results, counted launches and waits.

A tensor on it wraps one on the CPU. What mixes devices is refused as CUDA refuses it, so code that
runs here forgets no ``.to(device)``. Counted is what costs on a real device apart from arithmetic:
operations, each of which launches a kernel or more, and the places at which the host waits until
the device has done all that it was given. It says nothing about kernels or times.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from softcpt.testing import emulated_autocast
from softcpt.testing.emulated_counts import INDEXING, count, count_wait, operations_so_far

NAME = "emulated"
# Who sees every operation, before and after it is done (softcpt/testing/emulated_graph.py).
RECORDERS: list[Any] = []


class EmulatedDevice:
    """The device while it is entered; one at a time.

    Attributes:
        device: where tensors and modules are put.

    Raises:
        RuntimeError: when it is entered with a torch that cannot register such a device.
    """

    @staticmethod
    def available() -> bool:
        """Whether this torch (2.9 or later) can register such a device."""
        return hasattr(backend_registration, "_setup_privateuseone_for_python_backend")

    def __enter__(self) -> EmulatedDevice:
        if not self.available():
            raise RuntimeError(f"torch {torch.__version__}: it registers no device in Python")
        _register()
        self.device = torch.device(NAME, 0)
        self._stack = ExitStack()
        self._stack.enter_context(_Functions())
        self._stack.enter_context(_Operations())  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


class EmulatedTensor(torch.Tensor):
    """A tensor on the device.

    Attributes:
        on_cpu: its values, on the CPU.
    """

    on_cpu: Tensor

    def __new__(cls, values: Tensor) -> EmulatedTensor:
        """A tensor of these values."""
        made: EmulatedTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            layout=values.layout,
            device=torch.device(NAME, 0),
        )
        made.on_cpu = values
        return made

    def __init__(self, values: Tensor) -> None:
        pass

    def __repr__(self) -> str:  # type: ignore[override]
        return f"emulated {self.on_cpu!r}"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _dispatch(func, args, kwargs or {})


class EmulatedEvent:
    """What the device passes on its way, which takes a millisecond for every operation. Its time is
    known when the host has waited for it."""

    def __init__(self, enable_timing: bool = False) -> None:
        self.enable_timing = enable_timing
        self._passed = 0

    def record(self, _stream: object = None) -> None:
        """Stand behind what the device was given so far."""
        self._passed = operations_so_far()

    def synchronize(self) -> None:
        """Wait until the device has passed it."""
        count_wait("event")
        EmulatedEvent._known = max(EmulatedEvent._known, self._passed)

    def elapsed_time(self, end: EmulatedEvent) -> float:
        """Milliseconds from here to ``end``."""
        if max(self._passed, end._passed) > EmulatedEvent._known:
            raise RuntimeError("the device has not passed both events; wait first")
        return float(end._passed - self._passed)

    _known = 0


class _Operations(TorchDispatchMode):
    """Sees operations of CPU tensors, too: those that make tensors, copy or mix devices."""

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _dispatch(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """What torch does behind the operations' back: copies from Python's values and to them."""

    def __torch_function__(
        self, func: Any, _types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and _is_emulated(kwargs.get("device")):
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        if func is torch.Tensor.tolist and isinstance(args[0], EmulatedTensor):
            count_wait("tolist")
            return args[0].on_cpu.tolist()
        if getattr(func, "__self__", None) is torch.Tensor.data and len(args) == 2:
            func(*args)  # tensor.data = other
            if isinstance(args[0], EmulatedTensor):
                args[0].on_cpu = args[1].on_cpu
            return None
        if func is torch.Tensor.numpy and isinstance(args[0], EmulatedTensor):
            raise TypeError("a tensor on the emulated device has no numpy array; copy it first")
        return func(*args, **kwargs)


def _dispatch(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """One operation: done, and shown to who records it."""
    for recorder in RECORDERS:
        recorder.before(func, args, kwargs)
    result = _done(func, args, kwargs)
    for recorder in RECORDERS:
        recorder.after(func, args, kwargs, result)
    return result


def _done(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """One operation: refused, counted, done on the values."""
    name = func._schema.name
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, EmulatedTensor)]
    if name == "aten::is_pinned":
        return getattr(args[0], "pinned", False)
    if name == "aten::_pin_memory":
        pinned = args[0].clone()
        pinned.pinned = True
        return pinned
    target = kwargs.get("device")
    on_device = bool(ours) if target is None else _is_emulated(target)
    if name == "aten::copy_":
        on_device = isinstance(args[0], EmulatedTensor)
    _refuse_mix(func, args, tensors, target)
    count(func, args, kwargs, on_device, EmulatedTensor)
    result = func(*tree_map(_values, args), **_on_cpu(kwargs))
    if func._schema.is_mutable:
        return _written(func, args, kwargs, result)
    if name == "aten::_local_scalar_dense":
        return result
    if not on_device:
        # A copy that came from the device must not share memory with it.
        return result.clone() if ours and any(result is one.on_cpu for one in ours) else result
    return tree_map(lambda t: EmulatedTensor(t) if isinstance(t, Tensor) else t, result)


def _values(leaf: Any) -> Any:
    return leaf.on_cpu if isinstance(leaf, EmulatedTensor) else leaf


def _on_cpu(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments for the operation on the values."""
    plain = {key: tree_map(_values, value) for key, value in kwargs.items()}
    if _is_emulated(plain.get("device")):
        plain["device"] = torch.device("cpu")
    return plain | ({"pin_memory": False} if plain.get("pin_memory") else {})


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Any:
    """What an operation that writes into its arguments gives back: these."""
    named = [argument.name for argument in func._schema.arguments]
    given = {**dict(zip(named, args)), **kwargs}
    written = [
        given[argument.name]
        for argument in func._schema.arguments
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    if not func._schema.returns:
        return None
    return written[0] if isinstance(result, Tensor) else tuple(written)


def _refuse_mix(func: Any, args: Sequence[Any], tensors: Sequence[Tensor], target: Any) -> None:
    """As CUDA does: tensors of two devices, but for a CPU's scalars, and its indices of a tensor on
    the device."""
    kinds = {isinstance(tensor, EmulatedTensor) for tensor in tensors if tensor.dim() > 0}
    name = func._schema.name
    if len(kinds) < 2 or target is not None or name == "aten::copy_":
        return
    if name in INDEXING and isinstance(args[0], EmulatedTensor):
        return
    shapes = ", ".join(f"{tensor.device} {tuple(tensor.shape)}" for tensor in tensors)
    raise RuntimeError(f"{func}: tensors of two devices ({shapes})")


def _is_emulated(device: Any) -> bool:
    return device is not None and torch.device(device).type == NAME


@functools.cache
def _register() -> None:
    """Give the device its name and what torch asks a device for; lasts as long as the process."""

    class Module(backend_registration._DummyBackendModule):
        """Answers that some modules of torch ask for."""

        def get_amp_supported_dtype(self) -> list[torch.dtype]:
            return [torch.float16, torch.bfloat16]

        Event = EmulatedEvent

        def current_stream(self, _device: object = None) -> None:
            pass

        def get_rng_state(self, _device: object = None) -> Tensor:
            return torch.zeros(1, dtype=torch.uint8)

        def set_rng_state(self, _state: Tensor, _device: object = None) -> None:
            pass

    setup: Callable[..., None] = backend_registration._setup_privateuseone_for_python_backend
    setup(NAME, backend_module=Module())
    _LIBRARY.extend(
        [library := torch.library.Library("aten", "IMPL"), *emulated_autocast.register()]
    )
    # Of the few operations with a kernel of their own for every device, which would be asked first.
    library.impl("silu_backward", _silu_backward, "PrivateUse1")


_LIBRARY: list[Any] = []  # kept: what a library registered goes when it does


def _silu_backward(gradient: Tensor, x: Tensor) -> Any:
    return _dispatch(torch.ops.aten.silu_backward.default, (gradient, x), {})
