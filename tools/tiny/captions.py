"""What the text tower reads, and what it should answer: words of WordNet placed among ImageNet's
classifier rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from open_clip import IMAGENET_CLASSNAMES
from tiny.nouns import ancestors, imagenet_offsets, picturable, read_synsets
from tiny.sentences import embed
from torch import Tensor

NEAREST, TEMPERATURE = 30, 0.06

# A batch draws one: the bare name and CLIP's usual sentences most often.
TEMPLATES = {
    "{}": 3.0,
    "{}.": 1.5,
    "a photo of a {}.": 3.0,
    "an emoji of a {}.": 3.0,
    "a {}": 1.0,
    "a photo of the {}.": 0.7,
    "a picture of a {}.": 0.7,
    "an image of a {}": 0.7,
    "a drawing of a {}.": 0.7,
    "an icon of a {}.": 0.7,
    "emoji {}": 0.7,
    "this is a {}.": 0.5,
    "itap of a {}.": 0.4,
    "a small photo of a {}.": 0.4,
    "a centered photo of a {}, on white.": 0.4,
}


@dataclass
class Captions:
    """N texts and the weights of the 1,000 ImageNet classes that each stands for.

    ``weights``: (N, 1000) half, rows sum to one; ``whole``: the text is a sentence and takes no
    template.
    """

    texts: list[str]
    weights: Tensor
    whole: Tensor


def build_captions(wordnet: Path, sentences: Path) -> Captions:
    """Captions of every picturable noun, of its definition, and of the 1,000 classes under their
    usual names.

    A meaning stands for the nearest ImageNet classes by sentence embedding; half of its weight goes
    to the classes that it contains (furniture: chairs, tables) or that contain it (a rare breed:
    its usual relative), if any. A word of several meanings stands for their average, early meanings
    of its synsets first.
    """
    synsets = read_synsets(wordnet)
    classes = imagenet_offsets(synsets)
    kept = picturable(synsets)
    kept |= {offset: synsets[offset] for offset in classes}
    offsets = list(kept)
    full = [_definition(kept[offset]) for offset in offsets]
    words = sorted({word for synset in kept.values() for word in synset.words})
    place = {word: number for number, word in enumerate(words)}
    by_word, by_full = embed(words, sentences, "words"), embed(full, sentences, "definitions")
    names = embed(IMAGENET_CLASSNAMES, sentences, "class names")
    row = {offset: number for number, offset in enumerate(offsets)}
    rows = F.normalize(names + by_full[[row[offset] for offset in classes]], dim=-1)

    kin = _kinship(synsets, offsets, classes)
    # A meaning is placed by its definition and its first word together.
    first = by_word[[place[kept[offset].words[0]] for offset in offsets]]
    of_meaning = _mix(nearest(F.normalize(first + by_full, dim=-1), rows), kin)
    uses: dict[str, list[int]] = defaultdict(list)
    for number, offset in enumerate(offsets):
        for word in kept[offset].words:
            uses[word].append(number)
    of_word = torch.stack([of_meaning[uses[word]].mean(0) for word in words])
    of_word = 0.7 * of_word + 0.3 * nearest(by_word, rows)
    texts = (
        [word.lower() for word in words]
        + [kept[o].gloss for o in offsets]
        + list(IMAGENET_CLASSNAMES) * 3
    )
    weights = torch.cat([of_word, of_meaning, torch.eye(1000).repeat(3, 1)]).half()
    whole = torch.zeros(len(texts), dtype=torch.bool)
    whole[len(words) : len(words) + len(offsets)] = True
    return Captions(texts, weights, whole)


def nearest(embeddings: Tensor, rows: Tensor) -> Tensor:
    """Softmax weights (N, 1000) over the nearest classes of each unit embedding (N, 384)."""
    values, indices = (embeddings @ rows.T).topk(NEAREST)
    return torch.zeros(len(embeddings), len(rows)).scatter_(
        1, indices, (values / TEMPERATURE).softmax(1)
    )


def _definition(synset) -> str:
    return f"{', '.join(synset.words[:3])}: {synset.gloss}"


def _kinship(synsets: dict, offsets: list[str], classes: list[str]) -> Tensor:
    """(N, 1000): 1 where the class is the meaning itself, lies below it, or above it."""
    below, number_of = defaultdict(list), {offset: number for number, offset in enumerate(classes)}
    for number, offset in enumerate(classes):
        for parent in ancestors(synsets, offset) | {offset}:
            below[parent].append(number)
    kin = torch.zeros(len(offsets), len(classes))
    for number, offset in enumerate(offsets):
        above = [number_of[parent] for parent in ancestors(synsets, offset) if parent in number_of]
        # A meaning above a fifth of all classes ("entity", "artifact") says nothing about the
        # picture.
        related = above + (below[offset] if len(below[offset]) <= 200 else [])
        kin[number, related] = 1.0
    return kin


def _mix(weights: Tensor, kin: Tensor) -> Tensor:
    total = kin.sum(1, keepdim=True)
    share = 0.5 * (total > 0)
    return (1 - share) * weights + share * kin / total.clamp(min=1)
