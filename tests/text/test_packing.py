"""Packing on arrays against packing one token after the other, and the tokens that are kept."""

from __future__ import annotations

from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from softcpt.text import tokens
from softcpt.text.packing import PackedPrompts, slot
from softcpt.utils.files import cache_folder

SOS, EOS = 98, 99
words = st.lists(st.integers(0, 3), min_size=1, max_size=5)
lists_of_prompts = st.fixed_dictionaries(
    {
        "names": st.lists(words, min_size=1, max_size=30),
        "groups": st.integers(1, 4),
        "n_ctx": st.integers(0, 3),
        "before": st.integers(0, 3),
        "share_prefix": st.sampled_from([True, False, None]),
        "share_stems": st.booleans(),
    }
)


def packed_by_hand(packed: PackedPrompts, share_stems: bool) -> tuple[list[dict], list[tuple]]:
    """Chunks as lists of (symbol, position, places that it sees), and (chunk, place) of each end:
    sorted suffixes are put into a chunk one by one, behind the stem that the last one had."""
    chunks: list[dict] = []
    ends: list[tuple] = [()] * len(packed.prompts)
    groups = packed.groups.tolist() if packed.shared else [0] * len(packed.prompts)
    suffixes = [
        [s if s >= 0 else s - packed.n_ctx * own for s in prompt[len(packed.prefix) :]]
        for prompt, own in zip(packed.prompts, packed.groups.tolist())
    ]
    for group in range(max(groups) + 1):
        mine = [i for i, own in enumerate(groups) if own == group]
        mine.sort(key=lambda i: suffixes[i])
        cells, before, path = None, [], []
        for i in mine:
            same = takewhile(lambda pair: pair[0] == pair[1], zip(before, suffixes[i]))
            shared = len([*same]) if share_stems else 0
            if cells is None or len(cells) + len(suffixes[i]) - shared > packed.size:
                cells, shared, path = [], 0, []
                chunks.append({"group": group, "cells": cells})
            path = path[:shared]
            for depth, symbol in enumerate(suffixes[i][shared:], shared):
                path = [*path, len(cells)]
                cells.append((symbol, len(packed.prefix) + depth, set(path)))
            ends[i] = (len(chunks) - 1, path[-1])
            before = suffixes[i]
    return chunks, ends


@settings(max_examples=80)
@given(lists_of_prompts)
def test_prompts_are_packed_as_by_hand(case):
    n_ctx, before = case["n_ctx"], min(case["before"], case["n_ctx"])
    slots = [slot(i) for i in range(n_ctx)]
    prompts = [[SOS, *slots[:before], *name, *slots[before:], EOS] for name in case["names"]]
    count = min(case["groups"], len(prompts))
    packed = PackedPrompts(
        prompts,
        [i % count for i in range(len(prompts))],
        n_ctx,
        64,
        case["share_prefix"],
        case["share_stems"],
    )
    chunks, ends = packed_by_hand(packed, case["share_stems"])
    found = packed.chunks
    assert len(found) == len(chunks)
    assert found.lengths.tolist() == [len(chunk["cells"]) for chunk in chunks]
    assert found.group.tolist() == [chunk["group"] for chunk in chunks]
    assert found.ends.tolist() == [chunk * found.size + place for chunk, place in ends]
    for index, chunk in enumerate(chunks):
        for place in range(found.size):
            inside = place < len(chunk["cells"])
            symbol, position, seen = (
                chunk["cells"][place] if inside else (0, len(packed.prefix), {place})
            )
            assert found.tokens[index, place] == max(symbol, 0)
            assert found.slots[index, place] == (-1 - symbol if symbol < 0 else -1)
            assert found.positions[index, place] == position
            assert set(found.visible[index, place].nonzero().flatten().tolist()) == seen


def test_a_context_for_each_class_takes_the_cheaper_of_both_ways():
    slots = [slot(i) for i in range(4)]
    prompts = [[SOS, *slots, name, EOS] for name in range(30)]
    assert not PackedPrompts(prompts, range(30), 4).shared
    assert PackedPrompts(prompts, None, 4).shared


def test_prompts_of_groups_are_found_in_any_order():
    packed = PackedPrompts([[SOS, i, EOS] for i in range(7)], [0, 2, 1, 0, 2, 1, 2])
    assert packed.prompts_of([2, 0]).tolist() == [0, 1, 3, 4, 6]
    assert packed.prompts_of([]).tolist() == []


@pytest.fixture
def counted(monkeypatch):
    """CLIP's tokenizer, and how many texts it was given, where tokens of three are kept."""
    monkeypatch.setattr(tokens, "MANY", 3)
    tokenizer, given = SimpleTokenizer(), []
    encode = tokenizer.encode
    tokenizer.encode = lambda text: given.append(text) or encode(text)
    return tokenizer, given


TEXTS = ["a cat.", "", "Ünïcode &amp; more", "two  blanks"]


def test_tokens_of_many_texts_are_made_once(counted):
    tokenizer, given = counted
    expected = [SimpleTokenizer().encode(text) for text in TEXTS]
    assert tokens.encoded(tokenizer, TEXTS) == expected and len(given) == 4
    assert tokens.encoded(tokenizer, TEXTS) == expected and len(given) == 4
    assert tokens.encoded(tokenizer, TEXTS[::-1]) == expected[::-1] and len(given) == 8
    assert tokens.encoded(tokenizer, TEXTS[:2]) == expected[:2] and len(given) == 10


@pytest.mark.parametrize("damage", ["cut", "empty", "other byte"])
def test_damaged_tokens_are_made_again(counted, tmp_path, monkeypatch, damage):
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path))
    tokenizer, given = counted
    expected = tokens.encoded(tokenizer, TEXTS)
    [file] = (cache_folder() / "tokens").glob("*.bin")
    whole = file.read_bytes()
    broken = {"cut": whole[:-4], "empty": b"", "other byte": whole[:40] + b"\7" + whole[41:]}
    file.write_bytes(broken[damage])
    assert tokens.encoded(tokenizer, TEXTS) == expected and len(given) == 8
    assert file.read_bytes() == whole


def test_nothing_is_kept_where_nothing_can_be_written(counted, tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("no folder")
    tokenizer, given = counted
    assert tokens.encoded(tokenizer, TEXTS) == tokens.encoded(tokenizer, TEXTS)
    assert len(given) == 8


def test_a_word_of_another_vocabulary_has_other_tokens_kept(counted):
    tokenizer, given = counted
    tokens.encoded(tokenizer, TEXTS)
    first = tokenizer.encoder.pop("cat</w>")
    tokenizer.encoder["cat</w>"] = first  # the same ids, listed otherwise
    before = len(given)
    tokens.encoded(tokenizer, TEXTS)
    assert len(given) == before + len(TEXTS)
