"""The exact shared-prefix text encoder: what CLIP's text tower gives for 77 padded tokens, from the
tokens that matter.

Left out, exactly (each of these leaves outputs and gradients as they are):

1. tokens behind EOS: the tower is causal and is read at EOS;
2. the prefix ``[SOS] context`` of all classes but one per context, and stems that class names share
   (packing.py);
3. in the last block, queries, attention output and MLP of every token that is not an EOS;
4. prompts of tasks without an image in the batch (``groups``);
5. the first block's projections of tokens that no gradient passes: one row per (token, position),
   kept;
6. constants (tower.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from softcpt.text.attention import attend
from softcpt.text.encoding_pass import PassPart
from softcpt.text.packing import PackedPrompts
from softcpt.text.passes import PreparedPrompts
from softcpt.text.tower import TextTower

# Keys and values (groups * P, 2 d) of the prefixes, per block.
PrefixCache = list[Tensor]


class TextEncoder(nn.Module):
    """Encodes prompts with learnable contexts through a frozen text tower.

    Args:
        tower: the frozen tower.
    """

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self.tower = tower
        # Weak keys: what is prepared for a prompter's prompts goes when the prompter does, though
        # the encoder is shared by all prompters of a CLIP.
        self._prepared: WeakKeyDictionary[PackedPrompts, PreparedPrompts] = WeakKeyDictionary()

    def forward(
        self,
        packed: PackedPrompts,
        contexts: Tensor | None = None,
        groups: Sequence[int] | None = None,
        deep: Tensor | None = None,
        prompts: Sequence[int] | Tensor | None = None,
        max_tokens: int | None = None,
    ) -> Tensor:
        """Text features of packed prompts.

        Args:
            packed: N prompts in K groups with L context vectors each.
            contexts: (*batch, K, L, d). Leading dimensions give every prompt once per entry: a
                context per image (CoCoOp), or several contexts per class (PLOT). None if L is 0.
            groups: encode only the prompts of these K' groups; ``contexts`` is then (*batch, K', L,
                d), in their order.
            deep: (blocks - 1, *batch, K, L, d): replaces what stands at the context's positions
                before every block but the first.
            prompts: encode only these prompts, ascending (default: all prompts of the groups).
            max_tokens: memory bound: more tokens than this are encoded slice by slice, and each
                slice is computed again in the backward pass (exact, about a third more
                arithmetic). None: no bound.

        Returns:
            (*batch, N', D) features, not normalised, in the tower's type, of the chosen prompts in
            ascending order.
        """
        tower = self.tower
        if groups is None:
            groups = range(packed.num_groups)
        if contexts is None:
            contexts = tower.tokens.new_zeros(len(groups), 0, tower.width)
        batch = contexts.shape[:-3]
        contexts = contexts.to(tower.dtype).reshape(math.prod(batch), *contexts.shape[-3:])
        if deep is not None:
            deep = deep.to(tower.dtype).reshape(deep.shape[0], *contexts.shape)
        prepared = self._prepare(packed)
        encoding_pass = prepared.encoding_pass(
            packed, groups, prompts, copies=contexts.shape[0], max_tokens=max_tokens
        )
        prefixes = self._encode_prefixes(packed, contexts, deep, prepared.causal)
        rows = contexts.flatten(0, 2)
        deep_rows = None if deep is None else deep.flatten(1, 3)
        parts = [self._encode_part(part, prefixes, rows, deep_rows) for part in encoding_pass.parts]
        features = encoding_pass.in_order(parts)
        return features.unflatten(0, (*batch, -1)) if batch else features

    def _prepare(self, packed: PackedPrompts) -> PreparedPrompts:
        prepared = self._prepared.get(packed)
        if prepared is None or prepared.tables.positions.device != self.tower.positions.device:
            prepared = self._prepared[packed] = PreparedPrompts(packed, self.tower)
        return prepared

    def _encode_prefixes(
        self, packed: PackedPrompts, contexts: Tensor, deep: Tensor | None, causal: Tensor
    ) -> PrefixCache:
        """Keys and values of every block for the G prefixes of P tokens (G = 1: the bare SOS, if
        not shared)."""
        tower, slots = self.tower, packed.prefix_slots
        # A prompt's position i is the same number in every prompt, so prefixes of equal symbols are
        # equal inputs. Where prompts have contexts of their own, only SOS is common to all.
        groups = (
            contexts.flatten(0, 1)[:, :slots]
            if packed.shared
            else contexts.new_zeros(1, 0, tower.width)
        )
        start = tower.tokens[packed.prefix[0]].expand(len(groups), 1, tower.width)
        x = torch.cat([start, groups], dim=1) + tower.positions[: 1 + slots]
        cache: PrefixCache = []
        for index, block in enumerate(tower.blocks):
            if deep is not None and index > 0 and slots:
                x = torch.cat([x[:, :1], deep[index - 1].flatten(0, 1)[:, :slots]], dim=1)
            if index == len(tower.blocks) - 1:
                # Later tokens read a prefix through its keys and values alone, and nothing reads
                # its output: here its own attention and MLP would be computed for nobody.
                cache.append(block.keys_values(x).flatten(0, 1))
                return cache
            qkv = block.qkv(x)
            cache.append(qkv[..., tower.width :].flatten(0, 1))
            x = block.finish(x, _attend(qkv, causal, block.heads))
        return cache

    def _encode_part(
        self, part: PassPart, prefixes: PrefixCache, rows: Tensor, deep: Tensor | None
    ) -> Tensor:
        """(ends, D) features of one part; recomputed in the backward pass if there is more than one
        part."""
        if part.alone or not torch.is_grad_enabled():
            return self._run_blocks(part, prefixes, rows, deep)
        # The frozen tower has no dropout, so the second run needs no random state of the first.
        features: Tensor = checkpoint(
            self._run_blocks,
            part,
            prefixes,
            rows,
            deep,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        return features

    def _run_blocks(
        self, part: PassPart, prefixes: PrefixCache, rows: Tensor, deep: Tensor | None
    ) -> Tensor:
        tower, last = self.tower, len(self.tower.blocks) - 1
        x = part.embed(rows)
        for index, (block, cached) in enumerate(zip(tower.blocks, prefixes)):
            if deep is not None and index > 0:
                x = part.replace_slots(x, deep[index - 1])
            if index == last:
                # Features are read at EOS only: no later block asks for another token's output.
                own = block.keys_values(x)
                x = part.at_ends(x)
                attended = attend(part.ends, block.queries(x), own, cached)
            else:
                qkv = part.first_qkv() if index == 0 and part.constant else block.qkv(x)
                attended = attend(part.tokens, qkv, cached)
            x = block.finish(x, attended)
        return tower.project(x)


def _attend(qkv: Tensor, bias: Tensor, heads: int) -> Tensor:
    """Attended values (n, P, d) from scaled queries, keys and values (n, P, 3 d) of all heads;
    ``bias`` (1, P, P) is added to the scores."""
    query, key, value = qkv.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    scores = (query @ key.transpose(-1, -2)).add_(bias)
    attended: Tensor = (torch.softmax(scores, dim=-1) @ value).transpose(1, 2).flatten(2)
    return attended
