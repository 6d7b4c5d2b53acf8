"""The bound on tokens encoded at once is a prompter's own, though prompters share a CLIP."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.text.passes import PreparedPrompts

TASKS = softcpt.TaskSet(
    [
        softcpt.Task("kinds of fruit", ["apple", "kiwi", "plum", "red currant"]),
        softcpt.Task("numbers", [f"{number} and {number + 7}" for number in range(100, 160)]),
    ]
)


@pytest.fixture
def parts(monkeypatch):
    """How many parts every encoding since then was cut into."""
    counts, encoding_pass = [], PreparedPrompts.encoding_pass

    def counted(self, *asked, **named):
        found = encoding_pass(self, *asked, **named)
        counts.append(len(found.parts))
        return found

    monkeypatch.setattr(PreparedPrompts, "encoding_pass", counted)
    return counts


@pytest.mark.parametrize("method", ["CoOp", "SoftCPT", "CoOp-MT", "PLOT"])
def test_prompters_with_different_bounds_do_not_influence_each_other(clip, parts, method):
    def classes(prompter):
        parts.clear()
        found = prompter.class_embeddings()
        return found.detach(), max(parts)

    bounded = softcpt.build_prompter(method, clip, TASKS, max_text_tokens=16)
    free = softcpt.build_prompter(method, clip, TASKS)
    free.load_reference_state(bounded.reference_state())
    in_parts, cut = classes(bounded)
    at_once, whole = classes(free)
    assert cut > 1 and whole == 1
    assert classes(bounded)[1] == cut
    assert torch.allclose(in_parts, at_once, atol=1e-5)


@pytest.mark.parametrize("method", ["KgCoOp", "ProGrad", "VPT", "ZeroShot"])
def test_hand_written_prompts_are_encoded_within_the_prompters_bound(clip, parts, method):
    softcpt.build_prompter(method, clip, TASKS, max_text_tokens=16)
    assert max(parts) > 1
    parts.clear()
    softcpt.build_prompter(method, clip, TASKS)
    assert max(parts) == 1
