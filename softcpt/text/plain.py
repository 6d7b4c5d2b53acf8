"""The plain text tower: every prompt is encoded with all its tokens, by the model's own code.

For towers that are not causal, or are not read at the end of the text: there every token, padding
too, can change the feature, so that nothing can be left out as the exact engine does
(softcpt/text/encoder.py). A prompt goes in as token ids, with the id of some word where context
vectors stand; the module that embeds tokens is replaced, for this call, by one that puts the
vectors there. Masks, positions and pooling, which models compute from ids, are the model's own.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import NamedTuple, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from softcpt.errors import UserError
from softcpt.text.open_clip_parts import ClipModel, token_embedding
from softcpt.text.prompt_list import PromptList
from softcpt.text.prompts import Tokenizer, all_ids

# Encoded at once where nothing is kept for a backward pass.
_TOKENS = 16384


class _Rows(NamedTuple):
    """All prompts as the tower takes them.

    Attributes:
        ids: (N, T), a word's where a context vector stands.
        slots: (N, T) which of the context's vectors that is, -1 for tokens.
        groups: (N,).
    """

    ids: Tensor
    slots: Tensor
    groups: Tensor


class PlainTextEncoder(nn.Module):
    """Encodes prompts with learnable contexts through an untouched text tower.

    Args:
        model: an ``open_clip`` model, frozen.
        tokenizer: the model's.
        length: T, tokens of every text.
    """

    def __init__(self, model: ClipModel, tokenizer: Tokenizer, length: int) -> None:
        super().__init__()
        # Kept out of the module tree: the weights are the model's.
        object.__setattr__(self, "_model", model)
        self._tokenizer, self._length = tokenizer, length
        self._rows: WeakKeyDictionary[PromptList, _Rows] = WeakKeyDictionary()

    _model: ClipModel

    def forward(
        self,
        prompts: PromptList,
        contexts: Tensor | None = None,
        groups: Sequence[int] | None = None,
        deep: Tensor | None = None,
        chosen: Sequence[int] | Tensor | None = None,
        max_tokens: int | None = None,
    ) -> Tensor:
        """Text features of prompts; arguments as of
        :meth:`softcpt.text.encoder.TextEncoder.forward`.

        Returns:
            (*batch, N', D) features, not normalised.

        Raises:
            UserError: ``deep`` contexts, or a tower whose token embeddings are not known.
        """
        if deep is not None:
            raise UserError(
                f"text tower {self._kind}: vectors in front of its later blocks are not supported; "
                "choose a model with CLIP's causal text tower"
            )
        rows = self._prepare(prompts)
        groups = list(range(prompts.num_groups) if groups is None else groups)
        kept = prompts.prompts_of(groups) if chosen is None else torch.as_tensor(chosen)
        kept = kept.to(rows.ids.device)
        batch: Sequence[int] = ()
        if contexts is None:
            ids, index, vectors = rows.ids[kept], None, None
        else:
            batch = contexts.shape[:-3]
            copies, n_ctx = math.prod(batch), contexts.shape[-2]
            index = self._index(rows, kept, groups, prompts.num_groups, n_ctx, copies)
            ids = rows.ids[kept].repeat(copies, 1)
            vectors = contexts.reshape(-1, contexts.shape[-1])
        features = self._in_parts(ids, index, vectors, max_tokens)
        return features.unflatten(0, (*batch, -1)) if batch else features

    @staticmethod
    def _index(
        rows: _Rows, kept: Tensor, groups: list[int], count: int, n_ctx: int, copies: int
    ) -> Tensor:
        """(copies * N', T) rows of all contexts laid end to end, -1 for tokens."""
        place = torch.zeros(count, dtype=torch.long)
        place[torch.tensor(groups)] = torch.arange(len(groups))
        first = place.to(kept.device)[rows.groups[kept]] * n_ctx
        slots = rows.slots[kept]
        copy_of = torch.arange(copies, device=kept.device)[:, None, None] * (len(groups) * n_ctx)
        index = torch.where(slots >= 0, slots + first[:, None] + copy_of, -1)
        return index.flatten(0, 1)

    def embed(self, ids: Tensor) -> Tensor:
        """(n, d) what the tower makes of tokens (n,) before it adds their places."""
        vectors: Tensor = self._embedding()[1](ids)
        return vectors.detach()

    @property
    def _kind(self) -> str:
        return type(getattr(self._model, "text", self._model)).__name__

    def _embedding(self) -> tuple[str, nn.Embedding]:
        found = token_embedding(self._model)
        if found is None:
            raise UserError(
                f"text tower {self._kind}: where it embeds tokens is not known here, so no context "
                "can stand in their place; use zero-shot or a head (TextGDAMT), or another model"
            )
        return found

    def _prepare(self, prompts: PromptList) -> _Rows:
        device = self._model.logit_scale.device
        rows = self._rows.get(prompts)
        if rows is None or rows.ids.device != device:
            table = [all_ids(self._tokenizer, prompt, self._length) for prompt in prompts.prompts]
            ids = torch.tensor([row.ids for row in table])
            slots = torch.tensor([row.slots for row in table])
            groups = torch.as_tensor(prompts.groups)
            rows = _Rows(ids.to(device), slots.to(device), groups.to(device))
            self._rows[prompts] = rows
        return rows

    def _in_parts(
        self, ids: Tensor, index: Tensor | None, vectors: Tensor | None, max_tokens: int | None
    ) -> Tensor:
        """(N, D); in parts of at most ``max_tokens`` tokens, computed again in the backward
        pass."""
        graph = torch.is_grad_enabled() and vectors is not None and vectors.requires_grad
        bound = max_tokens if graph else min(max_tokens or _TOKENS, _TOKENS)
        step = len(ids) if bound is None else max(1, bound // ids.shape[1])
        parts: list[Tensor] = []
        for first in range(0, len(ids), step):
            at = slice(first, first + step)
            arguments = (ids[at], None if index is None else index[at], vectors)
            if graph and step < len(ids):
                part: Tensor = checkpoint(
                    self._encode, *arguments, use_reentrant=False, preserve_rng_state=False
                )
            else:
                part = self._encode(*arguments)
            parts.append(part)
        return torch.cat(parts)

    def _encode(self, ids: Tensor, index: Tensor | None, vectors: Tensor | None) -> Tensor:
        model = self._model
        if index is not None and vectors is not None and bool(vectors.numel()):
            name, embedding = self._embedding()
            other = _WithContexts(embedding, index, vectors)
            model = cast(ClipModel, _replaced(model, name.split("."), other))
        features: Tensor = model.encode_text(ids, normalize=False)
        return features


class _WithContexts(nn.Module):
    """Embeds tokens, and puts context vectors in the place of some."""

    def __init__(self, embedding: nn.Module, index: Tensor, vectors: Tensor) -> None:
        super().__init__()
        self.embedding, self.vectors = embedding, vectors
        self.places = torch.nonzero(index.flatten() >= 0).flatten()
        self.rows = index.flatten()[self.places]

    def forward(self, ids: Tensor) -> Tensor:
        """(N, T) -> (N, T, d)."""
        tokens: Tensor = self.embedding(ids)
        given = self.vectors.index_select(0, self.rows).to(tokens.dtype)
        return tokens.flatten(0, 1).index_copy(0, self.places, given).view_as(tokens)


def _replaced(module: nn.Module, path: Sequence[str], other: nn.Module) -> nn.Module:
    """The same module with the one at ``path`` replaced; all others are shared, and the model that
    everybody uses stays as it is."""
    if not path:
        return other
    child = module.get_submodule(path[0])
    twin = copy.copy(module)
    twin.__dict__["_modules"] = {**module._modules, path[0]: _replaced(child, path[1:], other)}
    return twin
