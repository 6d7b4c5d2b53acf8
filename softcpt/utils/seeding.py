"""Seeds the generators of Python, numpy and torch, and puts them back as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, numpy and torch, on all devices."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - transforms of other code draw from it
    torch.manual_seed(seed)


@contextmanager
def generators_kept() -> Iterator[None]:
    """Afterwards all generators are as they were before, so that a call of the library does not
    change what a program draws next."""
    python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(of_numpy)  # noqa: NPY002
