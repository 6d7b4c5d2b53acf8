"""A model's own tokenizer, where it is not CLIP's: taken apart by what it gives.

Every tokenizer of open_clip turns a text into T token ids: special tokens in front (BERT's [CLS],
a language; none in SigLIP's), the text's, special tokens behind, padding up to T, and in one kind a
class token in the last place. What stands where is read from what it gives for an empty text and
for one word, so that no kind of tokenizer has to be known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from softcpt.errors import UserError

# A word that every vocabulary has, and a sentence that shows whether the parts were found.
LEAD, PROBE = "a", "a photo of a cat."


class OwnTokenizer:
    """A tokenizer of open_clip, with the interface of CLIP's.

    Args:
        whole: from texts to ids (N, T); takes ``context_length`` in place of its own T.
        context_length: T, positions of the text tower.
        name: what it is called in messages.

    Attributes:
        start, end: ids in front of and behind every text.
        pad: id behind the end.
        last: what stands in the last places, or nothing.
        room: positions that a text may take with ``start`` and ``end``.
        lead: a token of a word, which stands where a context vector will.

    Raises:
        UserError: its ids have another form.
    """

    def __init__(self, whole: Callable[..., Tensor], context_length: int, name: str) -> None:
        self._whole, self.length, self.name = whole, context_length, name
        empty, word = self._ids(""), self._ids(LEAD)
        self.last = () if empty[-1] == empty[-2] else (empty[-1],)
        body = empty[: len(empty) - len(self.last)]
        self.pad = body[-1]
        common = 0
        while body[common] == word[common] and common + 1 < len(body):
            common += 1
        self.start = tuple(body[:common])
        # The end of a text that looks like padding (SigLIP's) needs a place all the same.
        self.end = tuple(_without_padding(body[common:], self.pad)) or (self.pad,)
        self.room = context_length - len(self.last)
        sentence = self._ids(PROBE)
        ids = [*self.start, *self.encode(PROBE), *self.end]
        if self.padded(ids) != sentence or not self.encode(LEAD):
            raise UserError(
                f"{name}: its tokenizer gives texts in a form that is not known here "
                f"({sentence[:12]}); choose another model"
            )
        self.lead = self.encode(LEAD)[0]

    def __call__(self, texts: str | Sequence[str], context_length: int | None = None) -> Tensor:
        """Token ids (N, T) of ``texts``, as the model was trained with; cut if they are too
        long."""
        return self._whole(texts, context_length=context_length or self.length)

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text`` alone, without what stands in front and behind; however many."""
        ids = self._ids(text, 4 * self.length)
        ids = ids[len(self.start) : len(ids) - len(self.last)]
        ids = _without_padding(ids, self.pad)
        ends = self.end != (self.pad,) and tuple(ids[-len(self.end) :]) == self.end
        return ids[: -len(self.end)] if ends else ids

    def encode_behind(self, text: str) -> list[int]:
        """The same of a text behind other words: many vocabularies have a word twice, with a blank
        in front and without. What does not begin at a token keeps its own ids."""
        lead, both = self.encode(LEAD), self.encode(f"{LEAD} {text}")
        return both[len(lead) :] if both[: len(lead)] == lead else self.encode(text)

    def padded(self, ids: Sequence[int]) -> list[int]:
        """All T ids of a text with start and end."""
        padding = [self.pad] * (self.room - len(ids))
        return [*ids, *padding, *self.last]

    def decode(self, ids: Sequence[int]) -> str:
        """Tokens as their vocabulary writes them, each with a blank behind it."""
        inner: Any = getattr(self._whole, "tokenizer", None)
        if inner is None:
            return "".join(f"{number} " for number in ids)
        return "".join(f"{token} " for token in inner.convert_ids_to_tokens(list(ids)))

    @property
    def special(self) -> set[int]:
        """Ids that stand for no word."""
        inner = getattr(self._whole, "tokenizer", None)
        return {*self.start, *self.end, self.pad, *getattr(inner, "all_special_ids", ())}

    def _ids(self, text: str, length: int | None = None) -> list[int]:
        ids: list[int] = torch.as_tensor(self(text, length))[0].tolist()
        return ids


def _without_padding(ids: Sequence[int], pad: int) -> list[int]:
    count = len(ids)
    while count and ids[count - 1] == pad:
        count -= 1
    return list(ids[:count])
