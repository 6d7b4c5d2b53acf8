"""What a step needs of the host: tables that it sends to the device, and labels that it reads.

A step that was captured is done again without the host (softcpt/engine/captured.py). What it sent
once is what it has for good. So a tape writes down what a step sends; while the same step is
captured, when nothing can be sent, it gives that back, and refuses what is not the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

Sent = tuple[torch.device, torch.dtype, tuple[int, ...], bytes]


class NeedsHostError(RuntimeError):
    """Why a step cannot do without the host."""


class StepTape:
    """The tape of one step.

    Attributes:
        refused: why the step cannot do without the host; "": it can.
        asks_for_tasks: whether it asked which tasks its labels belong to.
        held: what the step reads and somebody else may drop.
    """

    def __init__(self) -> None:
        self.refused = ""
        self.asks_for_tasks = False
        self.held: list[object] = []
        self._sent: dict[Sent, tuple[Tensor, int]] = {}
        self._plays = False

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Inside, a step is done as always, and written down."""
        with self._running(plays=False):
            yield
        if any(tensor._version != version for tensor, version in self._sent.values()):
            self.refuse("it writes into what it sends to the device")

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Inside, the same step is captured.

        Raises:
            NeedsHostError: it is not the same.
        """
        with self._running(plays=True):
            yield

    @contextmanager
    def _running(self, plays: bool) -> Iterator[None]:
        self._plays = plays
        # Not of one thread: parts of a backward pass are computed again in threads of its own.
        _running.append(self)
        try:
            yield
        finally:
            _running.remove(self)

    def refuse(self, reason: str) -> None:
        """The step needs the host. Only a capture ends here: else it is a step like any other.

        Raises:
            NeedsHostError: while it is captured.
        """
        self.refused = self.refused or reason
        if self._plays:
            raise NeedsHostError(reason)

    def send(
        self, tensor: Tensor, device: torch.device, send: Callable[[Tensor, torch.device], Tensor]
    ) -> Tensor:
        """``send(tensor, device)``; while the step is captured, what that gave before."""
        content = tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        key = (device, tensor.dtype, tuple(tensor.shape), content)
        if not self._plays:
            found = send(tensor, device)
            self._sent[key] = (found, found._version)
        elif key not in self._sent:
            self.refuse("it sends other values to the device each time")
        return self._sent[key][0]

    def hold(self, read: object) -> None:
        """Keep ``read`` for as long as the step can be done again."""
        if self._plays:
            self.held.append(read)

    def reads_labels(self, tasks_only: bool) -> None:
        """The step reads labels on the host: all of them, or the tasks that they belong to."""
        self.asks_for_tasks |= tasks_only
        if not tasks_only:
            self.refuse("it reads labels on the host")


_running: list[StepTape] = []


def running_tape() -> StepTape | None:
    """The tape of the step that is being done; None: nobody writes it down."""
    return _running[-1] if _running else None
