"""The passes made of packed prompts: selected, and kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from softcpt.text.attention import AttentionLayout
from softcpt.text.device_chunks import DeviceChunks
from softcpt.text.encoding_pass import EncodingPass, Tables, encoding_pass
from softcpt.text.packing import Chunks, PackedPrompts
from softcpt.text.tower import TextTower
from softcpt.utils.sending import send_together
from softcpt.utils.step_tape import running_tape
from softcpt.utils.supersets import FAR, NEAR, Superset, refuse_superset

# Of one list of prompts so many passes are kept, and so many bytes of them.
MOST_PASSES = 16
MOST_BYTES = 64 * 2**20


class PreparedPrompts:
    """Packed prompts with everything that no context changes, and the passes made of them."""

    # It keeps no reference to the PackedPrompts: the encoder keeps this object for as long as
    # somebody else holds them.
    def __init__(self, packed: PackedPrompts, tower: TextTower) -> None:
        self.chunks = packed.chunks
        self.heads = tower.blocks[0].heads
        pairs, self.index = torch.unique(
            self.chunks.tokens * len(tower.positions) + self.chunks.positions, return_inverse=True
        )
        words, places = send_together(
            [pairs // len(tower.positions), pairs % len(tower.positions)], tower.positions.device
        )
        # The context reaches a class name's tokens through the first block's attention. What they
        # bring there themselves, queries, keys and values, is the same in every step.
        with torch.no_grad():
            inputs = tower.tokens[words] + tower.positions[places]
            self.tables = Tables(tower.positions, inputs, tower.blocks[0].qkv(inputs))
            size = len(packed.prefix)
            self.causal = inputs.new_full((size, size), -torch.inf).triu(1)[None]
        self._passes: dict[tuple[object, ...], EncodingPass] = {}
        self._chunks_on_device: dict[bool, DeviceChunks] = {}

    def encoding_pass(
        self,
        packed: PackedPrompts,
        groups: Sequence[int],
        prompts: Sequence[int] | Tensor | None,
        copies: int,
        max_tokens: int | None,
    ) -> EncodingPass:
        """The chunks of ``prompts`` (default: all of ``groups``), ``copies`` times over, in parts
        of at most ``max_tokens`` tokens (at least one chunk each).

        Groups and slots are renumbered to the contexts given, those of ``groups``. The passes asked
        for last are kept: most steps are like others before them. Of a superset of tasks, as
        ``groups`` or as the ``prompts``, the device chooses (device_chunks.py).
        """
        tasks = groups if isinstance(groups, Superset) else prompts
        if isinstance(tasks, Superset):
            if copies > 1:
                refuse_superset("it encodes its prompts several times")
            chosen = self._on_device(packed, by_group=tasks is groups)
            return chosen.encoding_pass(groups, tasks, max_tokens)
        key = (_key(groups), None if prompts is None else _key(prompts), copies, max_tokens)
        found = self._passes.pop(key, None)
        if found is None:
            # Kept tensors must serve training, too, though a test may be the first to ask.
            with torch.inference_mode(False), torch.no_grad():
                chunks, index = self._chosen(packed, groups, prompts, copies)
                layout = self._layout(packed, chunks)
                found = encoding_pass(chunks, index, self.tables, max_tokens, layout)
        self._passes[key] = found
        self._forget()
        tape = running_tape()
        if tape is not None:
            tape.hold(found)
        return found

    def _on_device(self, packed: PackedPrompts, by_group: bool) -> DeviceChunks:
        """All chunks; a prompt is its group's task's, or the n-th prompt is the n-th task's."""
        if by_group not in self._chunks_on_device:
            count = len(packed.groups)
            owners = torch.as_tensor(packed.groups) if by_group else torch.arange(count)
            layout = self._layout(packed, self.chunks)
            with torch.inference_mode(False), torch.no_grad():
                self._chunks_on_device[by_group] = DeviceChunks(
                    self.chunks,
                    self.index,
                    self.tables,
                    layout,
                    packed.n_ctx,
                    packed.shared,
                    owners,
                    NEAR if by_group else FAR,  # all classes' names, or one name for each task
                )
        return self._chunks_on_device[by_group]

    def _layout(self, packed: PackedPrompts, chunks: Chunks) -> AttentionLayout:
        return AttentionLayout(
            self.heads, len(packed.prefix), chunks.group, chunks.size, chunks.lengths
        )

    def _forget(self) -> None:
        """Keep the passes that were asked for last, up to a number and a size."""
        size = 0
        for number, (key, kept) in enumerate(reversed(list(self._passes.items())), start=1):
            size += kept.size
            if number > MOST_PASSES or size > MOST_BYTES:
                self._passes.pop(key, None)

    def _chosen(
        self,
        packed: PackedPrompts,
        groups: Sequence[int],
        prompts: Sequence[int] | Tensor | None,
        copies: int,
    ) -> tuple[Chunks, Tensor]:
        """The chunks and their tokens' rows in the tables, on the CPU."""
        chunks, index = self.chunks, self.index
        groups = list(groups)
        every_group = groups == list(range(packed.num_groups))
        if prompts is not None or not every_group:
            chosen = packed.prompts_of(groups) if prompts is None else torch.as_tensor(prompts)
            chunks, kept = chunks.select(chosen.cpu())
            index = index[kept]
        if not every_group:
            rank = torch.zeros(packed.num_groups, dtype=torch.long)
            rank[torch.tensor(groups)] = torch.arange(len(groups))
            chunks = chunks.renumber(rank, packed.n_ctx, packed.shared)
        if copies > 1:
            chunks = chunks.repeat(copies, len(groups), packed.n_ctx, packed.shared)
            index = index.repeat(copies, 1)
        return chunks, index


def _key(numbers: Sequence[int] | Tensor) -> bytes:
    return np.asarray(numbers.cpu() if isinstance(numbers, Tensor) else numbers).tobytes()
