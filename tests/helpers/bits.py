"""Compares what two ways of the same products give: bit for bit where that was tried."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

# Of other processors the libraries below torch may round shapes, or orders in memory, differently.
CPUINFO = Path("/proc/cpuinfo")
TRIED = CPUINFO.is_file() and all(
    word in CPUINFO.read_text() for word in ("AuthenticAMD", "avx512_bf16")
)
_NEAR = {torch.bfloat16: 2e-2, torch.float32: 1e-5}


def same_bits(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two results are the same; on processors on which that was not tried, to rounding."""
    if TRIED:
        return torch.equal(ours, theirs)
    near = _NEAR[theirs.dtype] * max(float(theirs.detach().abs().max()), 1.0)
    return torch.allclose(ours, theirs, rtol=0, atol=near)
