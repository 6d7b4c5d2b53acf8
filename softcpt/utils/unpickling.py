"""Reads pickles that a stranger may have written, without running what is in them.

A pickle is a program: it names classes and functions, and calls them. The unpicklers here never
import what a pickle names. A name is answered from a table of admitted ones; any other is refused
(:class:`TableUnpickler`) or replaced by an object that does nothing (:class:`InertUnpickler`).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast


class Refused(pickle.UnpicklingError):
    """A pickle calls a function that no file of its kind needs."""


class TableUnpickler(pickle.Unpickler):
    """Admits the names of a table and refuses all others.

    Attributes:
        admitted: "<module>.<name>" -> what a pickle gets for it; a subclass sets it.
        content: what such a file holds, for the message of a refusal ("list of images").

    Raises:
        pickle.UnpicklingError: on ``load``, if the pickle asks for another name.
    """

    admitted: ClassVar[Mapping[str, Any]] = {}
    content: ClassVar[str] = "file"

    def find_class(self, module: str, name: str) -> Any:
        """The table's answer for a name.

        Functions come in a wrapper, as a pickle can set attributes of what it gets.
        """
        answer = self.admitted.get(f"{module}.{name}")
        if answer is None:
            return self.missing(module, name)
        return answer if isinstance(answer, type) else _wrapped(answer)

    def missing(self, module: str, name: str) -> Any:
        """The answer for a name that the table lacks."""
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no {self.content} needs")


class InertUnpickler(TableUnpickler):
    """Makes a :class:`StandIn` of objects of every class that the table lacks.

    Raises:
        Refused: on ``load``, if the pickle calls a function, other than those that plain objects
            and numbers need.
    """

    def missing(self, module: str, name: str) -> Any:
        """A class of stand-ins, called as what it stands in for."""
        return _CallsNothing(f"{module}.{name}", (StandIn,), {})


def _wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        return function(*args)

    return call


class _CallsNothing(type):
    """Class of stand-ins. Pickles make objects without a call: what is called is a function."""

    def __call__(cls, *_args: Any, **_kwargs: Any) -> Any:
        if cls.__name__ not in _HARMLESS and not cls.__name__.startswith(_HARMLESS_MODULES):
            raise Refused(f"it would call {cls.__name__} when read, as no such file needs to")
        return object.__new__(cast("type[StandIn]", cls))


class StandIn(metaclass=_CallsNothing):
    """Replaces an object of a class that is not admitted: takes all that a pickle does to it.

    The class is called "<module>.<name>", as the pickle names it.

    Attributes:
        state: what the pickle sets the object's state to; None if it sets none.
    """

    state: Any = None

    def __new__(cls, *_: Any, **__: Any) -> StandIn:
        """As a pickle makes it, with arguments that are ignored."""
        return object.__new__(cls)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def _forget(self, *_: Any) -> None:
        pass

    __setitem__ = append = extend = add = _forget

    def __hash__(self) -> int:
        return id(self)


# What pickles of plain objects, NumPy's numbers and torch's small types call. These give stand-ins.
_HARMLESS = {
    "copyreg._reconstructor",
    "copy_reg._reconstructor",
    "_codecs.encode",
    "builtins.set",
    "__builtin__.set",
    "builtins.frozenset",
    "collections.defaultdict",
    "collections.Counter",
    "collections.deque",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "torch.device",
    "torch.dtype",
    "functools.partial",
}
# TorchScript's typed lists, and the enumerations that an archive defines.
_HARMLESS_MODULES = ("torch.jit._pickle.", "__torch__.")
