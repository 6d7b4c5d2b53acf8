"""Supersets: the tasks of a batch, and as many others as make their number one of a few.

A step that was captured has the shapes of its capture for good. With many tasks hardly a batch has
a set of them that was there before. So captured steps of many tasks do not ask which tasks there
are: the device finds them in the labels, and takes others besides, so that tasks, their classes and
their chunks of text are of a few numbers (:class:`Sizes`). No image is of those others: their
classes have logits of -inf, and no gradient passes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor

from softcpt.utils.sending import send

# From one size to the next: of what a step's time goes into, and of the rest. Near sizes pad less,
# and fewer steps have the same.
NEAR, FAR = 1.15, 2.0


class AsksForTasksError(RuntimeError):
    """A step has to know on the host which tasks its labels belong to."""


class Owners:
    """The tasks that n things belong to: classes, prompts, or chunks of these.

    Args:
        tasks: (n,), or (n, m) of things of several tasks; on the CPU.
        counts: (n,) how many there are of each thing; None: one.
        growth: from one size of them to the next.
    """

    def __init__(self, tasks: Tensor, counts: Tensor | None = None, growth: float = NEAR) -> None:
        self.growth = growth
        self._known = tasks.reshape(len(tasks), -1)
        self._counts = torch.ones(len(tasks), dtype=torch.long) if counts is None else counts
        self._there: dict[torch.device, Tensor] = {}

    def __len__(self) -> int:
        return int(self._counts.sum())

    def needed(self, present: Tensor) -> int:
        """How many belong to a task that is there; ``present`` (T,) bool, on the CPU."""
        return int(self._counts[present[self._known].any(dim=1)].sum())

    def wanted(self, present: Tensor) -> Tensor:
        """(n,) whether each belongs to a task that is ``present`` (T,), on the device."""
        device = present.device
        if device not in self._there:
            self._there[device] = send(self._known, device)
        return present[self._there[device]].any(dim=1)


class Sizes:
    """How many of what a step takes, for the tasks of its labels.

    Args:
        present: these tasks.
        count: T, tasks in all.

    Attributes:
        asked: what the step asked for.
    """

    def __init__(self, present: Sequence[int], count: int) -> None:
        self._present = torch.zeros(count, dtype=torch.bool)
        self._present[list(present)] = True
        self.asked: dict[Owners, None] = {}

    def of(self, owners: Owners) -> int:
        """How many of these things are taken: those needed, up to the next of a few sizes."""
        self.asked[owners] = None
        needed, size = owners.needed(self._present), len(owners)
        while (smaller := int(size / owners.growth)) >= max(needed, 1):
            size = smaller
        return size

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, steps take supersets."""
        # Not of one thread: parts of a backward pass are computed again in threads of its own.
        _running.append(self)
        try:
            yield
        finally:
            _running.remove(self)


_running: list[Sizes] = []


def running_sizes() -> Sizes | None:
    """Of the step that is being done; None: it takes the tasks of its labels alone."""
    return _running[-1] if _running else None


class Picked(NamedTuple):
    """Some of n things, in their order, on the device.

    Attributes:
        indices: (size,) which.
        rank: (n,) of each one its place among them; of those that are not, any place.
        taken: (n,) which.
    """

    indices: Tensor
    rank: Tensor
    taken: Tensor


def pick(wanted: Tensor, size: int) -> Picked:
    """``size`` of n things: those ``wanted`` (n,), not more than that, and the first of the
    others."""
    others = (~wanted).cumsum(0)
    taken = wanted | (others <= size - wanted.sum())
    rank = taken.cumsum(0)
    numbers = torch.arange(1, size + 1, device=wanted.device)
    return Picked(torch.searchsorted(rank, numbers), (rank - 1).clamp_(0, size - 1), taken)


class Superset(Sequence[int]):
    """The tasks of a batch and others, ascending: their number is known, and which they are to the
    device alone.

    Args:
        present: (T,) which tasks have a label, on the device.
        each: the T tasks, each its own owner.
        sizes: of the step.
    """

    def __init__(self, present: Tensor, each: Owners, sizes: Sizes) -> None:
        self.present, self.sizes, self._each = present, sizes, each
        self._picked: dict[Owners, Picked] = {}

    @property
    def tasks(self) -> Picked:
        """Which tasks these are, and of each task its place among them."""
        return self.pick(self._each)

    def pick(self, owners: Owners) -> Picked:
        """All things of the present tasks, and the first of the others."""
        if owners not in self._picked:
            self._picked[owners] = pick(owners.wanted(self.present), self.sizes.of(owners))
        return self._picked[owners]

    def __len__(self) -> int:
        return len(self.tasks.indices)

    def __getitem__(self, index: object) -> NoReturn:
        raise AsksForTasksError("it asks on the host which tasks there are")


def refuse_superset(what: str) -> None:
    """``what`` needs to know the tasks of a step on the host.

    Raises:
        AsksForTasksError: the step takes a superset.
    """
    if running_sizes() is not None:
        raise AsksForTasksError(what)


def index_of(chosen: Sequence[int] | Tensor, device: torch.device) -> Tensor:
    """The numbers of ``chosen`` tasks, or of other things, on ``device``."""
    return (
        chosen.tasks.indices
        if isinstance(chosen, Superset)
        else send(torch.as_tensor(chosen), device)
    )
