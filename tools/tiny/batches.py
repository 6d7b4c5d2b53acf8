"""Batches of token rows: texts of alike length, one template each, so that nothing is spent on
padding."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from open_clip.tokenizer import SimpleTokenizer
from tiny.captions import TEMPLATES
from torch import Tensor

LONGEST = 24  # tokens of a text without its template; definitions are cut there


class Tokens:
    """CLIP's BPE, remembering what it has split before."""

    def __init__(self) -> None:
        self.tokenizer = SimpleTokenizer()
        self.known: dict[str, list[int]] = {}

    def __call__(self, text: str) -> list[int]:
        """Tokens of a text without start and end, at most :data:`LONGEST`."""
        if text not in self.known:
            self.known[text] = self.tokenizer.encode(text)[:LONGEST]
        return self.known[text]

    def rows(self, texts: list[str], template: str) -> Tensor:
        """Token rows (B, L), start and end included, padded with 0 to the longest."""
        before, after = (self.tokenizer.encode(part) for part in template.split("{}"))
        start, end = self.tokenizer.sot_token_id, self.tokenizer.eot_token_id
        rows = [torch.tensor([start, *before, *self(text), *after, end]) for text in texts]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def draw_template(generator: torch.Generator) -> str:
    """One of the templates, by weight."""
    weights = torch.tensor(list(TEMPLATES.values()))
    return list(TEMPLATES)[int(torch.multinomial(weights, 1, generator=generator))]


def text_batches(
    lengths: Tensor, whole: Tensor, size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """For ever: indices (size,) of texts of alike length, sentences apart from names."""
    while True:
        batches = []
        for group in (whole, ~whole):
            rows = group.nonzero().flatten()
            noisy = lengths[rows] + 1.5 * torch.rand(len(rows), generator=generator)
            rows = rows[noisy.argsort()]
            batches += list(rows[: len(rows) // size * size].split(size))
        for number in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[number]


def emoji_batches(
    groups: list[list[int]], size: int, generator: torch.Generator
) -> Iterator[list[int]]:
    """For ever: ``size`` distinct emoji; whole groups at a time, so that the hard negatives are
    there."""
    while True:
        batch: list[int] = []
        for number in torch.randperm(len(groups), generator=generator).tolist():
            group = groups[number]
            take = torch.randperm(len(group), generator=generator)[
                : size // 4
            ]  # no group fills a batch
            batch += [group[i] for i in take.tolist()]
            if len(batch) >= size:
                break
        yield batch[:size]
