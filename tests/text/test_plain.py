"""Models of other families give what open_clip's own code gives: images, sentences, and prompts
with contexts, outputs and gradients."""

from __future__ import annotations

from functools import cache
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import softcpt
from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.text.encoder import TextEncoder
from softcpt.text.open_clip_parts import text_parts
from softcpt.text.prompt_list import PromptList
from softcpt.text.prompts import prompt_symbols
from softcpt.text.sharding import _shares
from softcpt.text.tower import TextTower
from tests.helpers.clip_files import images
from tests.helpers.model_families import FAMILIES, reference, write_family

TASKS = softcpt.TaskSet(
    [softcpt.Task("pets", ["cat", "dog"]), softcpt.Task("things", ["red flower", "the cat in red"])]
)
NAMES = sorted(FAMILIES)
PLAIN = [name for name in NAMES if not FAMILIES[name][3]]


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """From a family's name to its folder, our model and open_clip's."""
    root = tmp_path_factory.mktemp("families")

    @cache
    def loaded(name: str) -> tuple[Any, Clip, nn.Module]:
        folder = write_family(name, root / name.replace(", ", "-"))
        return folder, softcpt.load_clip(folder, device="cpu"), reference(folder)

    return loaded


def doubled(folder: Any) -> Clip:
    clip = softcpt.load_clip(folder, device="cpu").double()
    if clip.exact:
        vars(clip)["text"] = TextEncoder(TextTower(clip.model, torch.float64))
    return clip


def tokens(folder: Any, texts: list[str]) -> Tensor:
    """By open_clip's own tokenizer."""
    ids: Tensor = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    return ids


@pytest.mark.parametrize("name", NAMES)
def test_images_and_sentences_have_open_clips_features(family, name):
    folder, clip, theirs = family(name)
    x, texts = images(clip), [f"a photo of a {word}." for word in TASKS.class_names]
    ours = softcpt.build_method("ZeroShot", clip, TASKS).class_embeddings()
    expected = theirs.encode_text(tokens(folder, texts), normalize=True)
    torch.testing.assert_close(ours, expected, atol=2e-6, rtol=0)
    assert torch.pdist(ours).min() > 1e-3  # the classes differ
    torch.testing.assert_close(
        clip.encode_image(x), theirs.encode_image(x, normalize=False), atol=1e-5, rtol=1e-5
    )
    assert torch.equal(clip.tokenizer(texts, clip.context_length), tokens(folder, texts))
    assert clip.exact == FAMILIES[name][3]
    assert (clip.image_mean, clip.preprocessing.resize_mode) == ((0.5,) * 3, "squash")
    assert clip.logit_scale == theirs.logit_scale


@pytest.mark.parametrize("name", NAMES)
def test_words_as_context_are_the_sentence(family, name):
    folder, _, theirs = family(name)
    clip, theirs = doubled(folder), reference(folder).double()
    texts = [f"a photo of a {word}." for word in TASKS.class_names]
    expected = theirs.encode_text(tokens(folder, texts), normalize=True)
    found = softcpt.build_method("CoOp", clip, TASKS, ctx_init="a photo of a").class_embeddings()
    assert (found - expected).abs().max() < 1e-6  # contexts are kept in float32
    exact = clip.embed_tokens(torch.tensor(clip.tokenizer.encode("a photo of a")))
    symbols = [
        prompt_symbols(clip.tokenizer, word, len(exact), "end", clip.context_length)
        for word in TASKS.class_names
    ]
    features = clip.encode_prompts(clip.prompts(symbols, n_ctx=len(exact)), exact[None])
    assert (F.normalize(features, dim=-1) - expected).abs().max() < 1e-12


def naively(model: nn.Module, ids: Tensor, places: slice, contexts: Tensor) -> Tensor:
    """Features of ``ids`` (N, T) with contexts (N, L, d) at ``places``, written out for both kinds
    of text tower."""
    text = text_parts(model)
    if hasattr(text, "pooler"):
        x = text.transformer.get_input_embeddings()(ids).clone()
        x[:, places] = contexts
        mask = (ids != text.config.pad_token_id).long()
        out = text.transformer(inputs_embeds=x, attention_mask=mask)
        return text.proj(text.pooler(out, mask))
    x, mask = text.token_embedding(ids).clone(), text.attn_mask
    x[:, places] = contexts
    if getattr(text, "cls_emb", None) is not None:
        x, mask = torch.cat([x, text.cls_emb.expand(len(x), 1, -1)], dim=1), text._embeds(ids)[1]
    x = text.transformer(x + text.positional_embedding, attn_mask=mask)
    x = text.ln_final(x)
    pool = getattr(text, "pool_type", getattr(text, "text_pool_type", None))
    if pool == "last" or getattr(text, "cls_emb", None) is not None:
        x = x[:, -1]
    elif pool == "argmax":
        x = torch.stack([row[int(own.argmax())] for row, own in zip(x, ids)])
    else:
        end = getattr(text, "eos_id", getattr(text, "text_eos_id", None))
        x = torch.stack([row[own.tolist().index(end)] for row, own in zip(x, ids)])
    linear = isinstance(text.text_projection, nn.Linear)
    return text.text_projection(x) if linear else x @ text.text_projection


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("max_tokens", [None, 30], ids=["at once", "in parts"])
def test_contexts_have_the_naive_outputs_and_gradients(family, name, max_tokens):
    folder, _, _ = family(name)
    clip, theirs, length = doubled(folder), reference(folder).double(), 3
    # The published way: a word stands where each vector will.
    texts = [f"{'a ' * length}{word}." for word in TASKS.class_names]
    ids = tokens(folder, texts)
    empty, word = tokens(folder, ["", "a"])
    first = int(empty[0] == word[0])
    contexts = torch.randn(2, 2, length, clip.text_width, dtype=torch.float64)
    contexts.requires_grad_()
    chosen, groups = torch.tensor([0, 2, 3]), [0, 0, 1, 1]
    symbols = [
        prompt_symbols(clip.tokenizer, word, length, "end", clip.context_length)
        for word in TASKS.class_names
    ]
    layout = clip.prompts(symbols, groups, length)
    ours = clip.encode_prompts(layout, contexts, prompts=chosen, max_tokens=max_tokens)
    expected = torch.stack(
        [
            naively(
                theirs,
                ids[chosen],
                slice(first, first + length),
                copy[torch.tensor(groups)[chosen]],
            )
            for copy in contexts
        ]
    )
    assert ours.shape == expected.shape
    assert (ours - expected).abs().max() < 1e-11 * expected.abs().max()
    weight = torch.randn_like(expected)
    mine, naive = (torch.autograd.grad((f * weight).sum(), contexts)[0] for f in (ours, expected))
    assert naive.norm() > 0
    assert (mine - naive).norm() < 1e-10 * naive.norm()


@pytest.mark.parametrize("name", PLAIN)
def test_lower_precisions_stay_close(family, name):
    folder, clip, _ = family(name)
    low = softcpt.load_clip(folder, "bf16", device="cpu")
    x = images(clip)
    exact, found = (
        torch.cat([m.encode_image(x), softcpt.build_method("ZeroShot", m, TASKS).embeddings])
        for m in (clip, low)
    )
    assert found.isfinite().all() and (found - exact).norm() < 0.05 * exact.norm()
    assert low.fingerprint == clip.fingerprint


def test_that_nothing_is_saved_is_said_once(family, capsys):
    folder, _, _ = family("SigLIP")
    clip = softcpt.load_clip(folder, device="cpu")
    for method in ("ZeroShot", "CoOp"):
        softcpt.build_method(method, clip, TASKS).class_embeddings()
    assert capsys.readouterr().out == (
        "SigLIP: its plain text tower encodes all 24 tokens of every prompt and saves nothing: the "
        "exact engine does not fit it (its attention is not causal)\n"
    )


def test_the_model_of_others_is_as_before(family):
    _, clip, _ = family("SigLIP")
    before = dict(clip.model.named_modules())
    softcpt.build_method("CoOp", clip, TASKS, n_ctx=2).class_embeddings()
    assert dict(clip.model.named_modules()) == before


def test_processes_take_equal_shares_of_the_prompts():
    shares = _shares(PromptList([[1, 2]] * 5), torch.tensor([0, 1, 2, 3, 4]), 2)
    assert [share.tolist() for share in shares] == [[0, 1, 2], [3, 4]]


def test_vectors_before_later_blocks_are_refused(family):
    _, clip, _ = family("SigLIP")
    layout = clip.prompts([[5, 6]], n_ctx=0)
    with pytest.raises(UserError, match="TextTransformer: vectors in front of its later blocks"):
        clip.encode_prompts(layout, deep=torch.zeros(1, 1, 0, clip.text_width))


def test_a_tower_that_takes_no_embeddings_serves_zero_shot_alone(family, monkeypatch):
    folder, _, _ = family("SigLIP")
    monkeypatch.setattr("softcpt.text.plain.token_embedding", lambda _: None)
    clip = softcpt.load_clip(folder, device="cpu")
    assert softcpt.build_method("ZeroShot", clip, TASKS).embeddings.isfinite().all()
    coop = softcpt.build_method("CoOp", clip, TASKS, n_ctx=2)
    with pytest.raises(UserError, match="TextTransformer: where it embeds tokens is not known"):
        coop.class_embeddings()
