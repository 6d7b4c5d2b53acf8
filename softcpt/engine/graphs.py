"""Work of a device that is captured once, and done again with one launch: CUDA's graphs.

Capturing does nothing but record: what the host gives to the device in between, with the addresses
that it reads and writes. So inputs must stay where they are, and whatever the host decides is
decided for good.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch

T = TypeVar("T")


class Graph(Protocol):
    """What a device must offer."""

    def capture(self, work: Callable[[], T], beside: Any = None) -> T:
        """Record ``work`` without doing it, and give what it gives: tensors whose values are there
        after a replay.

        Args:
            work: the host may not wait for the device in it, nor copy to it.
            beside: a graph whose memory for values in between may be shared, because the two are
                never done at once.

        Raises:
            RuntimeError: something in it cannot be recorded.
        """

    def replay(self) -> None:
        """Give all of the work to the device; the host does not wait."""


class CudaGraph:
    """CUDA's, as torch captures them; on ROCm HIP's."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._graph = torch.cuda.CUDAGraph()

    def capture(self, work: Callable[[], T], beside: CudaGraph | None = None) -> T:
        """Record ``work``; see :class:`Graph`."""
        pool = None if beside is None else beside._graph.pool()
        # Whatever still holds an autograd graph of a step before, a cycle for instance, holds with
        # it what gives parameters their gradients: on that step's stream, which is not captured.
        gc.collect(1)
        with torch.cuda.device(self.device):
            stream = torch.cuda.current_stream()
            try:
                # Other threads go on: a loader's may pin memory meanwhile.
                mode = "thread_local"
                with torch.cuda.graph(self._graph, pool=pool, capture_error_mode=mode):
                    return work()
            finally:
                torch.cuda.set_stream(stream)  # torch stays on its own when a capture fails

    def replay(self) -> None:
        """Give all of the work to the device, behind what it has to do already."""
        self._graph.replay()


# By type of device.
GRAPHS: dict[str, Callable[[torch.device], Graph]] = {"cuda": CudaGraph}
