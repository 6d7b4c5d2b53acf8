"""Multiplies by frozen matrices, with oneDNN where torch's own way to it is slow.

In fp32 torch leaves products to MKL, which takes its AVX2 code on other vendors' CPUs. oneDNN,
which torch has built in as well, takes AVX-512 there: on an EPYC of 2024 it is twice as fast,
forwards and backwards. In bf16 torch calls oneDNN, which puts the matrix into an order of its own
at every product; one that stays is put there once.
"""

from __future__ import annotations

import functools
import platform
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

# The order suits products of about so many rows, and is good for any.
_ROWS = 512
# Of matrices that stay their copies in oneDNN's order, as they are and transposed.
_kept = WeakTensorKeyDictionary()


def frozen_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, keep: bool = False
) -> Tensor:
    """X (..., n) -> x @ weight.T + bias (..., m); ``weight`` (m, n) and ``bias`` (m,) are frozen
    and get no gradient.

    ``keep``: the weight is used again and never changed; in bf16 on a CPU copies of it are kept as
    long as it lives, which takes two times its memory and changes no bit of the products.
    """
    plain = (
        torch.compiler.is_compiling()  # an exported graph runs on other machines
        or x.device.type != "cpu"
        or torch.is_autocast_enabled("cpu")
        or x.numel() == 0
    )
    if plain:
        return F.linear(x, weight, bias)
    if keep and x.dtype == torch.bfloat16 and _onednn_has("avx512_bf16"):
        product: Tensor = _Kept.apply(x, weight, bias, False)
        return product
    if x.dtype == torch.float32 and _onednn_has("AuthenticAMD"):
        return _onednn_linear(x, weight, bias)
    return F.linear(x, weight, bias)


@functools.cache
def _onednn_has(word: str) -> bool:
    """Whether ``word`` tells that oneDNN is faster on this CPU: not a measurement, for a run that
    is continued has to take the same way."""
    try:
        described = Path("/proc/cpuinfo").read_text()
    except OSError:
        described = platform.processor()
    names = ("_linear_pointwise", "_reorder_linear_weight")
    return word in described and all(hasattr(torch.ops.mkldnn, name) for name in names)


def _onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = _OneDnn.apply(x, weight, bias)
    return product


class _OneDnn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None]:
        return _onednn_linear(gradient, ctx.saved_tensors[0].t(), None), None, None


class _Kept(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.transposed = transposed
        return _product(x, _in_order(weight, transposed), bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None, None]:
        of_x: Tensor = _Kept.apply(gradient, ctx.saved_tensors[0], None, not ctx.transposed)
        return of_x, None, None, None


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


def _in_order(weight: Tensor, transposed: bool) -> Tensor:
    """The kept copy of a matrix, or of its transpose."""
    copies: dict[bool, Tensor] = _kept.setdefault(weight, {})
    if transposed not in copies:
        with torch.inference_mode(False):
            matrix = (weight.t() if transposed else weight).contiguous()
            copies[transposed] = torch.ops.mkldnn._reorder_linear_weight(matrix, _ROWS)
    return copies[transposed]
