"""Divides the prompts of one encoding among the processes of a run (softcpt/utils/parallel.py)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from softcpt.text.encoder import TextEncoder
from softcpt.text.packing import PackedPrompts
from softcpt.utils.parallel import GatheredRows, SummedGradient
from softcpt.utils.parallel import count as process_count


def encode_prompts(
    encoder: TextEncoder,
    layout: PackedPrompts,
    contexts: Tensor | None = None,
    groups: Sequence[int] | None = None,
    deep: Tensor | None = None,
    prompts: Sequence[int] | Tensor | None = None,
    max_tokens: int | None = None,
) -> Tensor:
    """``encoder(layout, contexts, groups, deep, prompts, max_tokens)``, with the prompts divided
    among the processes.

    All processes must call it, with the same arguments. Fewer chunks than processes are encoded by
    each of them.
    """
    if process_count() == 1:
        return encoder(layout, contexts, groups, deep, prompts, max_tokens)
    groups = list(range(layout.num_groups) if groups is None else groups)
    chosen = layout.prompts_of(groups) if prompts is None else torch.as_tensor(prompts)
    shares = _shares(layout, chosen, process_count())
    if min(len(share) for share in shares) == 0:
        return encoder(layout, contexts, groups, deep, prompts, max_tokens)
    mine = chosen[shares[dist.get_rank()]]
    present = set(layout.groups[mine.numpy()].tolist())
    places = [place for place, group in enumerate(groups) if group in present]
    contexts, deep = (
        None if given is None else SummedGradient.apply(given)[..., places, :, :]
        for given in (contexts, deep)
    )
    own = encoder(layout, contexts, [groups[place] for place in places], deep, mine, max_tokens)
    return GatheredRows.apply(own.movedim(-2, 0), shares).movedim(0, -2)


def _shares(layout: PackedPrompts, chosen: Tensor, size: int) -> list[Tensor]:
    """For each process the places in ``chosen`` (N',) of its prompts, ascending.

    Whole chunks, in their order, for one that holds a wanted prompt is computed as a whole. A
    process also computes the prefixes of its chunks' groups, which counts.
    """
    chunks = layout.chunks
    used, chunk = torch.unique(chunks.ends[chosen] // chunks.size, return_inverse=True)
    work = chunks.lengths[used].clone()
    if layout.shared:
        group = chunks.group[used]
        first = torch.cat([torch.ones(1, dtype=torch.bool), group[1:] != group[:-1]])
        work += first * len(layout.prefix)
    middle = work.cumsum(0) - work / 2
    owner = (middle * size / work.sum()).long().clamp(max=size - 1)[chunk]
    return [torch.nonzero(owner == rank).flatten() for rank in range(size)]
