"""What a prompt is: ``[SOS] context name . [EOS]``, with the context at the end, in the middle or
at the front.

"End" names the place of the class name, as CoOp does: at the end, behind the context. The published
codes write the prompt as "X X ... X name." with a placeholder X per context vector, tokenise it and
replace the placeholders' embeddings; here the context's places are symbols of their own
(``packing.slot``), so nothing is tokenised twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from softcpt.errors import UserError
from softcpt.text.own_tokenizer import OwnTokenizer
from softcpt.text.packing import slot
from softcpt.text.tokens import encoded

Position = Literal["end", "middle", "front"]


class ClipTokenizer(Protocol):
    """CLIP's byte-pair encoding."""

    sot_token_id: int
    eot_token_id: int

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text`` without start and end tokens."""


Tokenizer = ClipTokenizer | OwnTokenizer


def special_tokens(tokenizer: Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Ids in front of a text (of a model that has none there: nothing), and behind it."""
    if isinstance(tokenizer, OwnTokenizer):
        return tokenizer.start, tokenizer.end
    return (tokenizer.sot_token_id,), (tokenizer.eot_token_id,)


class WholeText(NamedTuple):
    """A prompt as a text tower takes it.

    Attributes:
        ids: T token ids, padding at the end; a word's where a context vector stands.
        slots: T numbers: which of the context's vectors that is, -1 for tokens.
    """

    ids: list[int]
    slots: list[int]


def all_ids(tokenizer: Tokenizer, symbols: Sequence[int], length: int) -> WholeText:
    """The ``length`` tokens of a prompt, from its symbols."""
    word = tokenizer.lead if isinstance(tokenizer, OwnTokenizer) else tokenizer.encode("x")[0]
    ids = [word if symbol < 0 else symbol for symbol in symbols]
    padding = length - len(symbols)
    slots = [-1 - symbol if symbol < 0 else -1 for symbol in symbols] + [-1] * padding
    if isinstance(tokenizer, OwnTokenizer):
        return WholeText(tokenizer.padded(ids), slots)
    return WholeText(ids + [0] * padding, slots)


def prompt_symbols(
    tokenizer: Tokenizer,
    name: str,
    n_ctx: int,
    position: Position = "end",
    context_length: int = 77,
) -> list[int]:
    """:func:`prompts_symbols` of one name."""
    return prompts_symbols(tokenizer, [name], n_ctx, position, context_length)[0]


def prompts_symbols(
    tokenizer: Tokenizer,
    names: Sequence[str],
    n_ctx: int,
    position: Position = "end",
    context_length: int = 77,
) -> list[list[int]]:
    """Symbols of the prompts for the ``names`` of classes or tasks: SOS first, EOS last (CoOp,
    section 3.1).

    ``end``: context, name; ``middle``: first half of the context, name, second half; ``front``:
    name, context. A full stop follows in each case; underscores in the name are blanks.

    Raises:
        UserError: if a prompt has more than ``context_length`` tokens.
    """
    names = [name.replace("_", " ") for name in names]
    before = _vectors_before(n_ctx, position)
    slots = [slot(index) for index in range(n_ctx)]
    # The stop is tokenised with the name, as in the published codes: behind punctuation the two
    # merge into one token.
    middles = _words(tokenizer, [f"{name}." for name in names], before > 0)
    if before < n_ctx:
        lengths = map(len, _words(tokenizer, names, before > 0))
        middles = [
            words[:length] + slots[before:] + words[length:]
            for words, length in zip(middles, lengths)
        ]
    start, end = special_tokens(tokenizer)
    prompts = [[*start, *slots[:before], *middle, *end] for middle in middles]
    for name, symbols in zip(names, prompts):
        if len(symbols) > context_length:
            raise UserError(
                f"name '{name}': its prompt has {len(symbols)} tokens and the model takes "
                f"{context_length}; shorten the name or the context"
            )
    return prompts


def _vectors_before(n_ctx: int, position: Position) -> int:
    """How many of a context's vectors stand in front of the name."""
    counts: dict[str, int] = {"end": n_ctx, "middle": n_ctx // 2, "front": 0}
    if position not in counts:
        raise UserError(f"position '{position}': choose end, middle or front")
    return counts[position]


def _words(tokenizer: Tokenizer, texts: Sequence[str], behind: bool) -> list[list[int]]:
    """Ids of ``texts`` alone, or as they are ``behind`` others."""
    if behind and isinstance(tokenizer, OwnTokenizer):
        return [tokenizer.encode_behind(text) for text in texts]
    return encoded(tokenizer, texts)


def texts_symbols(
    tokenizer: Tokenizer, texts: Sequence[str], context_length: int = 77
) -> list[list[int]]:
    """Symbols of plain sentences without context vectors.

    Raises:
        UserError: one has more than ``context_length`` tokens.
    """
    start, end = special_tokens(tokenizer)
    prompts = [[*start, *ids, *end] for ids in encoded(tokenizer, texts)]
    for text, symbols in zip(texts, prompts):
        if len(symbols) > context_length:
            raise UserError(
                f"text '{text}': {len(symbols)} tokens, and the model takes {context_length}; "
                "shorten it"
            )
    return prompts


def init_context(shape: Sequence[int], generator: torch.Generator | None = None) -> Tensor:
    """Context vectors drawn from N(0, 0.02^2), as all methods of the CoOp family do."""
    return torch.randn(*shape, generator=generator) * 0.02


def words_context(words: str, tokenizer: Tokenizer, embed: Callable[[Tensor], Tensor]) -> Tensor:
    """Context vectors (L, d) that are the token embeddings of ``words`` ("a photo of a";
    underscores are blanks).

    With CLIP's tokenizer L is the number of words, as in CoOp: words of several tokens are cut
    (its behaviour, kept). With another one, L is the number of tokens.

    Args:
        words: the words.
        tokenizer: the model's.
        embed: from token ids (L,) to their embeddings (L, d).
    """
    words = words.replace("_", " ")
    ids = tokenizer.encode(words)
    if not isinstance(tokenizer, OwnTokenizer):
        ids = ids[: len(words.split(" "))]
    return embed(torch.tensor(ids)).detach().float().clone()
