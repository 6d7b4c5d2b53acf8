"""TF32: NVIDIA GPUs can round the factors of fp32 products to 10 bits, which is faster.

Torch lets convolutions do so by default, and products of matrices not. A run says what
both do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def tf32_kept() -> Iterator[None]:
    """Afterwards torch's flags are as they were before."""
    put_back = [*_older_flags(), *_newer_flags()]
    try:
        yield
    finally:
        for restore in put_back:
            restore()


@contextmanager
def tf32_is(allowed: bool) -> Iterator[None]:
    """Inside, products of fp32 numbers are rounded to TF32 or not; CPUs do not round theirs."""
    with tf32_kept():
        set_tf32(allowed)
        yield


def set_tf32(allowed: bool) -> None:
    """From now on round to TF32, or do not."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def tf32_rounds(device: torch.device) -> bool:
    """Whether some fp32 products on ``device`` may be rounded now."""
    if device.type != "cuda":
        return False
    try:
        return bool(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)
    except RuntimeError:  # the program has set torch's newer flags
        return any(place.fp32_precision == "tf32" for place in _places())


def _older_flags() -> list[Callable[[], None]]:
    try:
        matmul, conv = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError:  # the program has set the newer ones, of which these are no summary
        return []

    def restore() -> None:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = conv

    return [restore]


def _newer_flags() -> list[Callable[[], None]]:
    before = [(place, place.fp32_precision) for place in _places()]

    def restore() -> None:
        for place, precision in before:
            place.fp32_precision = precision

    return [restore]


def _places() -> list[Any]:
    """Where torch 2.9 and later keep what is rounded."""
    backends: Any = torch.backends
    if not hasattr(backends, "fp32_precision"):
        return []
    return [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul]
