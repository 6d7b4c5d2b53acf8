"""Concrete nouns of WordNet, and where ImageNet's 1,000 classes sit among them.

WordNet's noun file holds one synset per line: ``offset file type count (word id)* count (pointer)*
| gloss`` (the format is described in WordNet's manual page wndb(5)).
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from timm.data import ImageNetInfo

# Lexicographer files whose synsets can be pictured: animal, artifact, body, food, object, person,
# phenomenon, plant, shape, substance. The others (acts, feelings, times, ...) are abstract.
PICTURABLE = {"05", "06", "08", "13", "17", "18", "19", "20", "25", "27"}
TAXON = re.compile(
    r"^(genus|family|order|class|phylum|suborder|superfamily|subfamily|division|kingdom) "
)


@dataclass
class Synset:
    """A meaning: its words, most usual first, its definition, and the offsets of its more general
    meanings."""

    words: list[str]
    gloss: str
    file: str
    hypernyms: list[str] = field(default_factory=list)
    is_instance: bool = False


def read_synsets(folder: Path) -> dict[str, Synset]:
    """Every noun synset of WordNet by its offset."""
    synsets = {}
    for line in (folder / "package/dict/data.noun").read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):  # the licence, which opens the file
            continue
        head, gloss = line.split(" | ", 1)
        fields = head.split()
        count = int(fields[3], 16)
        words = [word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2]]
        synset = synsets[fields[0]] = Synset(words, gloss.split("; ")[0].strip(), fields[1])
        pointers = fields[5 + 2 * count :]
        for symbol, offset in zip(pointers[::4], pointers[1::4]):
            if symbol in ("@", "@i"):
                synset.hypernyms.append(offset)
                synset.is_instance |= symbol == "@i"
    return synsets


def picturable(synsets: dict[str, Synset]) -> dict[str, Synset]:
    """Those that name a kind of thing one can see: no single persons and places, no scientific
    taxa."""
    return {
        offset: synset
        for offset, synset in synsets.items()
        if synset.file in PICTURABLE
        and not synset.is_instance
        and not any(map(TAXON.match, synset.words))
    }


def imagenet_offsets(synsets: dict[str, Synset]) -> list[str]:
    """The offset of each of ImageNet's 1,000 classes, in the order of the classifier's rows.

    ImageNet numbers its classes by WordNet 3.0, our package is 3.1: words and definition identify a
    synset in both.
    """
    by_word = defaultdict(set)
    for offset, synset in synsets.items():
        for word in synset.words:
            by_word[word.lower()].add(offset)
    info, found = ImageNetInfo(), []
    for label in info.label_names():
        words = [
            word.strip().lower()
            for word in info.label_name_to_description(label, detailed=False).split(",")
        ]
        definition = info.label_name_to_description(label, detailed=True).split(": ", 1)[-1]
        candidates = sorted(set().union(*(by_word[word] for word in words)))
        found.append(
            max(candidates, key=lambda offset: _alikeness(synsets[offset], words, definition))
        )
    return found


def _alikeness(synset: Synset, words: list[str], definition: str) -> float:
    shared = len({word.lower() for word in synset.words} & set(words))
    return shared + 3 * difflib.SequenceMatcher(None, synset.gloss, definition).ratio()


def ancestors(synsets: dict[str, Synset], offset: str) -> set[str]:
    """All more general meanings of a synset."""
    seen: set[str] = set()
    waiting = list(synsets[offset].hypernyms)
    while waiting:
        parent = waiting.pop()
        if parent not in seen:
            seen.add(parent)
            waiting.extend(synsets[parent].hypernyms)
    return seen
