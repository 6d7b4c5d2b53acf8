"""Makes an installed Dassl run on today's libraries.

Dassl 0.6.3 was written for torch 1.x and numpy 1.x. Each repair below replaces one function in
memory, and only where a check shows the break; nothing on disk changes.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import math
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from softcpt.dassl import wrote
from softcpt.errors import UserError

_PIP_NAMES = {"PIL": "pillow", "sklearn": "scikit-learn"}


def import_and_repair(folder: Path) -> tuple[str, list[str]]:
    """Import the Dassl in ``folder``; return its version and what had to be repaired.

    Raises UserError naming a requirement of Dassl's that is not installed.
    """
    previous = logging.root.manager.disable
    try:
        with _optional_wilds():
            dassl = importlib.import_module("dassl")
            for name in ("data", "engine", "optim", "utils"):
                importlib.import_module(f"dassl.{name}")
    except ImportError as error:
        raise UserError(_import_problem(folder, error)) from error
    finally:
        # Its WILDS data sets switch off everybody's warnings.
        logging.disable(previous)
    import torch

    repaired = [name for name, repair in REPAIRS.items() if repair(torch)]
    return getattr(dassl, "__version__", "(version unknown)"), repaired


def _import_problem(folder: Path, error: ImportError) -> str:
    """What is missing, and the two ways out."""
    name = (getattr(error, "name", None) or "").split(".")[0]
    if not isinstance(error, ModuleNotFoundError) or not name or name == "dassl":
        return (
            f"dassl at {folder}: cannot be imported ({error}); install it again, or remove it to "
            "use the built-in engine"
        )
    package = _PIP_NAMES.get(name, name)
    return (
        f"dassl at {folder}: its requirement {name!r} is not installed; "
        f"pip install {package}, or remove dassl to use the built-in engine"
    )


# Imported by Dassl for its three WILDS data sets, whether these are used or not.
_FOR_WILDS = ("wilds", "pandas")


@contextlib.contextmanager
def _optional_wilds() -> Iterator[None]:
    """While Dassl is imported, stand-ins take the places of missing packages that its WILDS data
    sets alone need; these data sets then raise when they are built."""
    missing = [name for name in _FOR_WILDS if importlib.util.find_spec(name) is None]
    sys.modules.update({name: _StandIn(name) for name in missing})
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


class _StandIn(types.ModuleType):
    """An empty module; what is called in it says which package to install."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        package = self.__name__

        def ask_for_it(*_: Any, **__: Any) -> None:
            raise UserError(
                f"WILDS data sets: the package '{package}' is not installed; pip install {package}"
            )

        return ask_for_it


def repair_warmup_signature(torch: Any) -> bool:
    """They pass ``verbose`` on to torch's scheduler, which no longer takes it."""
    from dassl.optim import lr_scheduler

    broken = getattr(lr_scheduler, "_BaseWarmupScheduler", None)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    inner = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    if broken is None or not _raises(
        TypeError,
        lambda: lr_scheduler.ConstantWarmupScheduler(optimizer, inner, warmup_epoch=1, cons_lr=0.1),
    ):
        return False

    def initialise(
        self: Any,
        optimizer: Any,
        successor: Any,
        warmup_epoch: int,
        last_epoch: int = -1,
        verbose: bool = False,  # noqa: ARG001  Dassl's signature
    ) -> None:
        self.successor = successor
        self.warmup_epoch = warmup_epoch
        torch.optim.lr_scheduler.LRScheduler.__init__(self, optimizer, last_epoch)

    broken.__init__ = initialise
    return True


def repair_warmup_state(torch: Any) -> bool:
    """The inner schedule was saved as an object, so that a resumed run stepped a copy of the
    optimiser."""
    from dassl.optim import lr_scheduler

    from softcpt.dassl.warmup_state import load_nested_state, nested_state

    broken = getattr(lr_scheduler, "_BaseWarmupScheduler", None)
    if broken is None or broken.state_dict is not torch.optim.lr_scheduler.LRScheduler.state_dict:
        return False
    broken.state_dict = nested_state
    broken.load_state_dict = load_nested_state
    return True


def repair_loading(torch: Any) -> bool:
    """Torch refuses the scheduler objects in Dassl's checkpoints; just these are admitted."""
    import dassl.engine.trainer
    import dassl.utils
    from dassl.utils import torchtools

    from softcpt.dassl.loading import load_safely

    if _passes_keyword(torchtools.load_checkpoint, "weights_only"):
        return False

    def load_checkpoint(fpath: str) -> Any:
        if fpath is None:
            raise ValueError("load_checkpoint: the path is None; pass the path of a checkpoint")
        if not os.path.exists(fpath):
            raise FileNotFoundError(f"{fpath}: no such checkpoint; check the folder and the epoch")
        checkpoint = load_safely(fpath, map_location=None if torch.cuda.is_available() else "cpu")
        if isinstance(checkpoint, dict) and checkpoint.get("val_result", 0.0) is None:
            # A last epoch has no validation result, and Dassl's load_model formats it as a number.
            checkpoint["val_result"] = math.nan
        return checkpoint

    for module in (torchtools, dassl.utils, dassl.engine.trainer):
        module.load_checkpoint = load_checkpoint
    return True


def _passes_keyword(function: types.FunctionType, keyword: str) -> bool:
    """Whether ``function`` calls something with ``keyword=``. Compiled code tells; the source may
    be missing."""
    return any(
        isinstance(constant, tuple) and keyword in constant
        for constant in function.__code__.co_consts
    )


def repair_numpy_int(_: Any) -> bool:
    """They use ``numpy.int``, which numpy no longer has."""
    import numpy as np
    from dassl.data.transforms import autoaugment, randaugment
    from PIL import Image

    class NumpyWithInt(types.ModuleType):
        int = int

        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

    pixel = Image.new("RGB", (1, 1))
    probes = {
        autoaugment: autoaugment.ImageNetPolicy,
        randaugment: lambda: randaugment.SolarizeAdd(pixel),
    }
    broken = [module for module, probe in probes.items() if _raises(AttributeError, probe)]
    for module in broken:
        module.np = NumpyWithInt("numpy")
    return bool(broken)


def _raises(kind: type[Exception], probe: Callable[[], Any]) -> bool:
    """Whether calling ``probe`` fails with ``kind``."""
    try:
        probe()
    except kind:
        return True
    return False


def repair_taken_names(_: Any) -> bool:
    """They register names that data sets here have, too (CIFAR10, CIFAR100), and refuse a second
    one. Where both engines are to mean the same by a name, Dassl's own gives way."""
    from dassl.data.datasets import DATASET_REGISTRY

    own = [
        name for name in DATASET_REGISTRY.registered_names() if wrote(DATASET_REGISTRY.get(name))
    ]
    if not own:
        return False
    registry = type(DATASET_REGISTRY)
    register = registry._do_register

    def register_over_dassls_own(self: Any, name: str, obj: Any, force: bool = False) -> None:
        known = self.get(name) if name in self.registered_names() else None
        register(self, name, obj, force=force or wrote(known))

    registry._do_register = register_over_dassls_own
    return True


REPAIRS: dict[str, Callable[[Any], bool]] = {
    "warm-up schedules": repair_warmup_signature,
    "resuming": repair_warmup_state,
    "checkpoint loading": repair_loading,
    "AutoAugment and RandAugment": repair_numpy_int,
    "names of data sets": repair_taken_names,
}
