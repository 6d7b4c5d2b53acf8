"""Reads checkpoints of the Dassl family without running what is in them.

A schedule's live objects are made, since a run continues with their state; whatever else is no
plain data is refused. (:mod:`softcpt.artefacts.published_checkpoints` wants tensors alone, and
passes over the rest.)
"""

from __future__ import annotations

import collections
import os
import pickle
import sys
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

from softcpt.errors import UserError


def _admitted() -> list[Any]:
    """What Dassl pickled beside tensors: the inner scheduler with its optimiser, and numpy's
    numbers as results."""
    schedulers = [lr_scheduler.CosineAnnealingLR, lr_scheduler.StepLR, lr_scheduler.MultiStepLR]
    optimisers = [
        torch.optim.SGD,
        torch.optim.Adam,
        torch.optim.AdamW,
        torch.optim.RMSprop,
        torch.optim.RAdam,
    ]
    scalar = np.float64(0).__reduce__()[0]
    numbers = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        type(np.dtype(np.float64)),
        type(np.dtype(np.float32)),
    ]
    radam = getattr(sys.modules.get("dassl.optim.radam"), "RAdam", torch.optim.RAdam)
    return [
        *schedulers,
        *optimisers,
        (radam, "dassl.optim.radam.RAdam"),
        *numbers,
        collections.defaultdict,
        dict,
    ]


def load_safely(path: str | os.PathLike[str], map_location: Any = None) -> Any:
    """``torch.load`` of plain data, schedulers and optimisers; anything else is refused with a
    UserError."""
    try:
        with torch.serialization.safe_globals(_admitted()):
            return torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path}: not a checkpoint of plain data ({reason}); save it again as a state dict"
        ) from error
