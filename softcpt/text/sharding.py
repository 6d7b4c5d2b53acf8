"""Divides the prompts of one encoding among the processes of a run (softcpt/utils/parallel.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from softcpt.text.encoder import TextEncoder
from softcpt.text.packing import PackedPrompts
from softcpt.text.plain import PlainTextEncoder
from softcpt.text.prompt_list import PromptList
from softcpt.utils import parallel


def encode_prompts(
    encoder: TextEncoder | PlainTextEncoder,
    packed: PromptList,
    contexts: Tensor | None = None,
    groups: Sequence[int] | None = None,
    deep: Tensor | None = None,
    prompts: Sequence[int] | Tensor | None = None,
    max_tokens: int | None = None,
) -> Tensor:
    """``encoder(packed, contexts, groups, deep, prompts, max_tokens)``, with the prompts divided
    among the processes.

    All processes must call it, with the same arguments. Fewer chunks than processes are encoded by
    each of them.
    """
    encode: Callable[..., Tensor] = encoder
    processes = parallel.process_count()
    if processes == 1:
        return encode(packed, contexts, groups, deep, prompts, max_tokens)
    groups = list(range(packed.num_groups) if groups is None else groups)
    chosen = packed.prompts_of(groups) if prompts is None else torch.as_tensor(prompts)
    shares = _shares(packed, chosen, processes)
    if min(len(share) for share in shares) == 0:
        return encode(packed, contexts, groups, deep, prompts, max_tokens)
    mine = chosen[shares[dist.get_rank()]]
    present = set(packed.groups[mine.numpy()].tolist())
    places = [place for place, group in enumerate(groups) if group in present]
    contexts, deep = (
        None if given is None else parallel.sum_gradient(given)[..., places, :, :]
        for given in (contexts, deep)
    )
    own = encode(packed, contexts, [groups[place] for place in places], deep, mine, max_tokens)
    return parallel.gather_rows(own.movedim(-2, 0), shares).movedim(0, -2)


def _shares(packed: PromptList, chosen: Tensor, size: int) -> list[Tensor]:
    """For each process the places in ``chosen`` (N',) of its prompts, ascending.

    Whole chunks, in their order, for one that holds a wanted prompt is computed as a whole. A
    process also computes the prefixes of its chunks' groups, which counts. Prompts of a plain
    tower take the same time each.
    """
    if not isinstance(packed, PackedPrompts):
        return list(torch.arange(len(chosen)).tensor_split(size))
    chunks = packed.chunks
    used, chunk = torch.unique(chunks.ends[chosen] // chunks.size, return_inverse=True)
    tokens = chunks.lengths[used].clone()
    if packed.shared:
        group = chunks.group[used]
        first = torch.cat([torch.ones(1, dtype=torch.bool), group[1:] != group[:-1]])
        tokens += first * len(packed.prefix)
    middle = tokens.cumsum(0) - tokens / 2
    owner = (middle * size / tokens.sum()).long().clamp(max=size - 1)[chunk]
    return [torch.nonzero(owner == rank).flatten() for rank in range(size)]
