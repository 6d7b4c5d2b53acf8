"""Takes rows of a tensor whose gradients are the same in every run, and puts them.

Torch's own backward pass of indexing adds up in an order that can change from run to run: that of
``x[index]`` with several threads of a CPU, that of ``index_select`` on a GPU. It cannot know that
an index has no repetitions, where nothing has to be added at all.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def gather(x: Tensor, index: Tensor) -> Tensor:
    """``x[index]`` (n, ...) of (rows, ...), for an index (n,) without repetitions."""
    rows: Tensor = _Gather.apply(x, index)
    return rows


def scatter(x: Tensor, index: Tensor, rows: int) -> Tensor:
    """Rows of ``x`` (n, ...) at ``index`` (n,) of ``rows`` rows, zeros elsewhere; the inverse of
    :func:`gather`."""
    result: Tensor = _Scatter.apply(x, index, rows)
    return result


def take(x: Tensor, index: Tensor) -> Tensor:
    """``x[index]`` (n, ...) of (rows, ...), for any index (n,)."""
    rows: Tensor = _Take.apply(x, index)
    return rows


def sum_rows(rows: Tensor, index: Tensor, count: int) -> Tensor:
    """(count, ...) sums of those ``rows`` (n, ...) that have the same ``index`` (n,); on a CPU in
    their order, in fp32 at least."""
    shape = (count, *rows.shape[1:])
    if rows.device.type != "cpu":
        # On a GPU index_add_ is atomic; this sorts the index.
        return rows.new_zeros(shape).index_put_((index,), rows, accumulate=True)
    wide = torch.promote_types(rows.dtype, torch.float32)
    # Of an index of 64 bits torch makes one for every number: ten times slower for rows with gaps.
    total = rows.new_zeros(shape, dtype=wide).index_add_(0, index.int(), rows.to(wide))
    return total.to(rows.dtype)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = len(x)
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return scatter(gradient, ctx.saved_tensors[0], ctx.rows), None


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, rows: int) -> Tensor:
        ctx.save_for_backward(index)
        return x.new_zeros(rows, *x.shape[1:]).index_copy_(0, index, x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gather(gradient, ctx.saved_tensors[0]), None, None


class _Take(_Gather):
    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return sum_rows(gradient, ctx.saved_tensors[0], ctx.rows), None
