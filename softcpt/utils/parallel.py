"""Divides the towers' work among the processes of one run
(``torchrun --nproc_per_node N train.py ...``).

All processes do the same: they have the same parameters, draw the same batches and compute the same
loss. Only a pass through a tower is divided. Of the prompts that the text tower is to encode, each
process takes a share of about equal length; the features are gathered, and every process goes on
with all of them. Backward, each has the gradient of its own share, so what reaches the contexts is
added up over the processes, and everything before the contexts has in each of them the gradient
that it has in a single process: no method needs to know of this. (For one layer of a network the
same pair of operations is Megatron's f and g, arXiv 1909.08053, section 3.) Where the image tower
runs at every step, the images of a batch are divided likewise.

Dividing the images alone, as data-parallel training does, would leave the text tower all of its
work in every process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from softcpt.errors import UserError

T = TypeVar("T")


@contextmanager
def joined_process_group() -> Iterator[None]:
    """Inside, this process is one of those that torchrun started; without torchrun nothing happens.

    All but the first print nothing on stdout.

    Raises:
        UserError: there are GPUs, but fewer than processes on this machine.
    """
    if not dist.is_torchelastic_launched() or dist.is_initialized():
        yield
        return
    local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if gpus and local >= gpus:
        raise UserError(
            f"torchrun: process {local + 1} of this machine has no GPU, there are {gpus}; give "
            f"--nproc_per_node {gpus}"
        )
    if gpus:
        torch.cuda.set_device(local)
    # While the first process encodes a large data set for the bank, the others wait: for hours, if
    # need be.
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=timedelta(days=1))
    console = sys.stdout
    try:
        with open(os.devnull, "w") as nowhere:
            if not is_main():
                sys.stdout = nowhere
            yield
    finally:
        sys.stdout = console
        dist.destroy_process_group()


def process_count() -> int:
    """Processes of this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this process writes, or there is only one."""
    return process_count() == 1 or dist.get_rank() == 0


def broadcast_from_main(value: T) -> T:
    """The first process's ``value``, in all of them; they wait for each other here."""
    if process_count() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


@torch.no_grad()
def sync_parameters(module: nn.Module) -> None:
    """Give all processes the first one's tensors: rounding may differ between devices, and
    differences would grow."""
    if process_count() > 1:
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, src=0)


def encode_rows(encode: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """``encode(images)`` (B, ...), with the images (B, 3, H, W) divided among the processes; no
    gradient passes."""
    processes = process_count()
    if processes == 1 or len(images) < processes:
        return encode(images)
    shares = list(torch.arange(len(images)).tensor_split(processes))
    with torch.no_grad():
        return gather_rows(encode(images[shares[dist.get_rank()].to(images.device)]), shares)


def encode_prompted(
    encode: Callable[[Tensor, Tensor], Tensor], images: Tensor, prompts: Tensor
) -> Tensor:
    """``encode(images, prompts)`` (B, D), with the images (B, 3, H, W) divided among the processes.

    Prompts (L, 1 or B, N, d), for all images or for each its own, have the gradient of all of them.
    """
    processes = process_count()
    if processes == 1 or len(images) < processes:
        return encode(images, prompts)
    shares = list(torch.arange(len(images)).tensor_split(processes))
    mine = shares[dist.get_rank()].to(images.device)
    prompts = sum_gradient(prompts)
    own = encode(images[mine], prompts if prompts.shape[1] == 1 else prompts[:, mine])
    return gather_rows(own, shares)


def gather_rows(own: Tensor, shares: list[Tensor]) -> Tensor:
    """Rows (n, ...) of every process -> all rows (N, ...), each at its place; backward, the own
    rows' gradient.

    Args:
        own: this process's rows.
        shares: of each process the places (n,) of its rows among all.
    """
    rows: Tensor = _GatherRows.apply(own, shares)
    return rows


def sum_gradient(tensor: Tensor) -> Tensor:
    """The tensor itself; backward, the sum of the processes' gradients."""
    same: Tensor = _SumGradient.apply(tensor)
    return same


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, shares: list[Tensor]) -> Tensor:
        longest, mine = max(len(share) for share in shares), shares[dist.get_rank()].to(own.device)
        padded = own.new_zeros(longest, *own.shape[1:])
        padded[: len(mine)] = own
        parts = [torch.empty_like(padded) for _ in shares]
        dist.all_gather(parts, padded)
        ctx.save_for_backward(mine)
        places = torch.cat(shares).argsort().to(own.device)
        return torch.cat([part[: len(share)] for part, share in zip(parts, shares)])[places]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (mine,) = ctx.saved_tensors
        return gradient[mine], None


class _SumGradient(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, tensor: Tensor) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total
