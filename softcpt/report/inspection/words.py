"""Which words of the vocabulary context vectors are nearest to, as CoOp's paper looked at it.

Context vectors stand where embeddings of words stand. So each is compared with the embeddings of
all words that the text tower knows. Vectors are free: nothing keeps them near a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.prompters import TaskClassifier
from softcpt.report.inspection.part import Part, table
from softcpt.text.prompts import special_tokens

TITLE = "Nearest words of the context vectors"
_AT_ONCE = 64  # vectors that are compared with the vocabulary at the same time


@dataclass(frozen=True)
class ContextVectors:
    """``vectors`` (L, d), and what they are the context of: "all tasks", "task flowers", ..."""

    of: str
    vectors: Tensor


@torch.no_grad()
def context_vectors(method: TaskClassifier) -> list[ContextVectors]:
    """All that stands in the place of words: what is in front of class names, and what was trained
    in front of task and class names to make it from."""
    found = []
    contexts = method.contexts()
    if contexts is not None and contexts.numel():
        found += list(_named(contexts.movedim(-3, 0), method, ""))
    if contexts is None or method.makes_contexts:
        width = method.clip.text_width
        for name, parameter in method.named_parameters():
            if name.endswith("ctx") and parameter.dim() > 1 and parameter.shape[-1] == width:
                rows = parameter if parameter.dim() > 2 else parameter[None]
                prefix = f"{name.removesuffix('.ctx').replace('_', ' ')}, "
                found += list(_named(rows, method, prefix))
    return found


def _named(rows: Tensor, method: TaskClassifier, prefix: str) -> Iterator[ContextVectors]:
    """``rows`` (K, ..., L, d): K is one, the number of tasks, or that of classes."""
    tasks = method.tasks
    rows = rows.detach().float().cpu()
    if len(rows) > 1 and (rows == rows[0]).all():
        rows = rows[:1]
    if len(rows) == 1:
        names = ["all tasks" if len(tasks) > 1 else f"task {tasks.names[0]}"]
    elif len(rows) == len(tasks):
        names = [f"task {name}" for name in tasks.names]
    else:
        names = [f"class {name}" for name in tasks.class_names]
    for name, row in zip(names, rows):
        several = row.reshape(-1, *row.shape[-2:])
        for number, vectors in enumerate(several, 1):
            which = f", prompt {number}" if len(several) > 1 else ""
            yield ContextVectors(f"{prefix}{name}{which}", vectors)


class Vocabulary:
    """The words that a text tower knows, and their embeddings."""

    def __init__(self, clip: Clip) -> None:
        tokens = clip.token_table().detach().float().cpu()
        start, end = special_tokens(clip.tokenizer)
        special = {*start, *end, *getattr(clip.tokenizer, "special", ())}
        self._ids = [number for number in range(len(tokens)) if number not in special]
        self._table = tokens[self._ids]
        self._tokenizer = clip.tokenizer

    def word(self, place: int) -> str:
        """As text; a beginning or a middle of words ends in "-"."""
        text: str = self._tokenizer.decode([self._ids[place]])
        shown = "".join(letter for letter in text if letter.isprintable()).strip()
        if not shown:  # a control character
            shown = repr(text.strip(" "))
        return shown if text.endswith(" ") else f"{shown}-"

    def nearest(self, vectors: Tensor, count: int) -> Iterator[dict[str, Any]]:
        """For each of ``vectors`` (N, d) its length, and the ``count`` nearest words by distance
        and by cosine: lists of (word, value)."""
        unit = F.normalize(self._table, dim=-1)
        for part in vectors.split(_AT_ONCE):
            far = torch.cdist(part, self._table).topk(count, largest=False)
            alike = (F.normalize(part, dim=-1) @ unit.t()).topk(count)
            for row, vector in enumerate(part):
                yield {
                    "length": vector.norm().item(),
                    "distance": self._words(far.indices[row], far.values[row]),
                    "cosine": self._words(alike.indices[row], alike.values[row]),
                }

    def _words(self, places: Tensor, values: Tensor) -> list[tuple[str, float]]:
        return [(self.word(at), value) for at, value in zip(places.tolist(), values.tolist())]

    def between_words(self) -> tuple[float, float, float]:
        """How far words are from each other: medians of their length, of the distance to their
        nearest other word, and of the cosine with their most alike one (of 256 spread evenly)."""
        chosen = torch.linspace(0, len(self._table) - 1, 256).long().unique()
        some = self._table[chosen]
        far = torch.cdist(some, self._table).topk(2, largest=False).values[:, 1]
        unit = F.normalize(self._table, dim=-1)
        alike = (unit[chosen] @ unit.t()).topk(2).values[:, 1]
        return (
            self._table.norm(dim=-1).median().item(),
            far.median().item(),
            alike.median().item(),
        )


def nearest_words(method: TaskClassifier, count: int = 5) -> Part:
    """A row for each context vector; ``count`` words of each, 3 or more, are kept."""
    groups = context_vectors(method)
    if not groups:
        why = f"{type(method).__name__} has no vectors in the place of words"
        return Part(TITLE, missing=[why])
    vocabulary = Vocabulary(method.clip)
    rows: list[list[str]] = []
    records: list[dict[str, Any]] = []
    for group in groups:
        for number, found in enumerate(vocabulary.nearest(group.vectors, count), 1):
            words = [_listed(found[kind][:3]) for kind in ("distance", "cosine")]
            rows.append([group.of, str(number), *words, f"{found['length']:.2f}"])
            records += _records(group.of, number, found)
    head = ["context", "vector", "nearest words (distance)", "most alike (cosine)", "length"]
    shown = table("Nearest words", head, rows, labels=4)
    return Part(TITLE, _how_to_read(vocabulary), [shown], records={"words": records})


def _how_to_read(vocabulary: Vocabulary) -> list[str]:
    length, distance, cosine = vocabulary.between_words()
    what = (
        "Each context vector with the words whose embeddings are nearest to it: by Euclidean "
        "distance, as CoOp's paper has it, and by cosine, which leaves lengths out. Parts of "
        'words end in "-".'
    )
    scale = (
        f"For comparison: a word's embedding has length {length:.2f}, distance {distance:.2f} "
        f"from its nearest other word, and cosine {cosine:.2f} with its most alike one "
        "(medians). A vector that is farther away than that stands for no word."
    )
    return [what, scale]


def _records(context: str, vector: int, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    pairs = zip(found["distance"], found["cosine"])
    for rank, ((near, distance), (alike, cosine)) in enumerate(pairs, 1):
        yield {
            "context": context,
            "vector": vector,
            "rank": rank,
            "nearest": near,
            "distance": distance,
            "most_alike": alike,
            "cosine": cosine,
        }


def _listed(words: list[tuple[str, float]]) -> str:
    return ", ".join(f"{word} ({value:.2f})" for word, value in words)
