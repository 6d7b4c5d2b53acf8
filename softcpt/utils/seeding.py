"""Seeds the generators of Python, numpy and torch, and puts them back as they were."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, numpy and torch, on all devices."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - transforms of other code draw from it
    torch.manual_seed(seed)


def generator_states(device: torch.device) -> tuple[object, ...]:
    """Of Python's, numpy's and torch's generators, and that of ``device``: equal as long as none
    was drawn from."""
    kind, keys, *places = np.random.get_state()  # noqa: NPY002
    states = [torch.get_rng_state()]
    if device.type != "cpu":
        states.append(torch.get_device_module(device).get_rng_state(device))
    of_torch = [state.numpy().tobytes() for state in states]
    return random.getstate(), kind, np.asarray(keys).tobytes(), *places, *of_torch


def saved_generators(device: torch.device) -> Callable[[], None]:
    """What puts Python's, numpy's and torch's generators, and that of ``device``, back as they are
    now."""
    python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    module = None if device.type == "cpu" else torch.get_device_module(device)
    on_host, there = torch.get_rng_state(), module and module.get_rng_state(device)

    def put_back() -> None:
        random.setstate(python)
        np.random.set_state(of_numpy)  # noqa: NPY002
        torch.set_rng_state(on_host)
        if module:
            module.set_rng_state(there, device)

    return put_back


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
