"""The text engine against the naive 77-token path: outputs and gradients, over random layouts."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

from softcpt.errors import UserError
from softcpt.testing.naive_text import encode_naively
from softcpt.text import passes
from softcpt.text.encoder import TextEncoder
from softcpt.text.packing import PackedPrompts, slot
from softcpt.text.tower import TextTower

VOCABULARY, WIDTH, BLOCKS = 60, 128, 3
SOS, EOS = VOCABULARY - 2, VOCABULARY - 1


def text_model(quick_gelu: bool = True, layer_scale: float | None = None, seed: int = 0) -> CLIP:
    torch.manual_seed(seed)
    vision = CLIPVisionCfg(layers=1, width=64, patch_size=8, image_size=16)
    text = CLIPTextCfg(
        width=WIDTH, heads=2, layers=BLOCKS, vocab_size=VOCABULARY, ls_init_value=layer_scale
    )
    model = CLIP(32, vision, text, quick_gelu=quick_gelu)
    for (
        parameter
    ) in model.parameters():  # norms and biases too: a folding that forgets one must show
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model.double().eval().requires_grad_(False)


MODEL = text_model()
ENCODER = TextEncoder(TextTower(MODEL, torch.float64))

words = st.lists(st.integers(0, 5), min_size=1, max_size=6)
layouts = st.fixed_dictionaries(
    {
        "names": st.lists(words, min_size=1, max_size=14),
        "groups": st.integers(1, 4),
        "n_ctx": st.integers(0, 5),
        "position": st.sampled_from(["end", "middle", "front"]),
        "share_prefix": st.sampled_from([True, False, None]),
        "deep": st.booleans(),
        "batch": st.sampled_from([(), (1,), (3,), (2, 2)]),
        "max_tokens": st.sampled_from([None, 1, 40]),
        "seed": st.integers(0, 1000),
    }
)


def prompt(name: list[int], n_ctx: int, position: str) -> list[int]:
    before = {"end": n_ctx, "middle": n_ctx // 2, "front": 0}[position]
    slots = [slot(i) for i in range(n_ctx)]
    return [SOS, *slots[:before], *name, *slots[before:], EOS]


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).norm() / b.norm().clamp(min=1e-30)).item()


def compare(case: dict, chosen: list[int] | None = None) -> None:
    """Outputs and context gradients of the engine equal the naive path's in float64."""
    names, groups, n_ctx = case["names"], min(case["groups"], len(case["names"])), case["n_ctx"]
    generator = torch.Generator().manual_seed(case["seed"])
    group = [i % groups for i in range(len(names))]
    prompts = [prompt(name, n_ctx, case["position"]) for name in names]
    kept = range(groups) if chosen is None else [g for g in chosen if g < groups] or [0]
    shape = (*case["batch"], len(kept), n_ctx, WIDTH)
    contexts = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    deep = torch.randn(
        BLOCKS - 1, *shape, generator=generator, dtype=torch.float64
    ).requires_grad_()
    layout = PackedPrompts(prompts, group, n_ctx, WIDTH, case["share_prefix"])
    ours = TextEncoder(ENCODER.tower)(
        layout,
        contexts,
        None if chosen is None else kept,
        deep if case["deep"] else None,
        max_tokens=case["max_tokens"],
    )
    mine = [i for i in range(len(names)) if group[i] in kept]
    place = torch.tensor([list(kept).index(group[i]) for i in mine])
    number = math.prod(case["batch"])
    copies = contexts.reshape(number, *shape[-3:])
    deep_copies = deep.reshape(BLOCKS - 1, number, *shape[-3:])
    naive = (
        torch.stack(
            [
                encode_naively(
                    MODEL,
                    [prompts[i] for i in mine],
                    copies[b][place],
                    deep_copies[:, b][:, place] if case["deep"] else None,
                )
                for b in range(len(copies))
            ]
        )
        .unflatten(0, case["batch"] or (1,))
        .reshape(*case["batch"], len(mine), 32)
    )
    assert (ours - naive).abs().max() < 1e-12
    if n_ctx:
        weight = torch.randn(naive.shape, generator=generator, dtype=torch.float64)
        wanted = [contexts, deep] if case["deep"] else [contexts]
        for a, b in zip(
            torch.autograd.grad((ours * weight).sum(), wanted),
            torch.autograd.grad((naive * weight).sum(), wanted),
        ):
            assert relative(a, b) < 1e-10


@settings(max_examples=60)
@given(layouts)
def test_every_layout_gives_the_naive_outputs_and_gradients(case):
    compare(case)


@settings(max_examples=25)
@given(layouts, st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True))
def test_chosen_groups_give_the_naive_outputs_and_gradients(case, chosen):
    compare(case, chosen)


@pytest.mark.parametrize("options", [{"quick_gelu": False}, {"layer_scale": 0.3}])
def test_other_activations_and_layer_scale_are_exact(options):
    model = text_model(**options, seed=1)
    prompts = [prompt([1, 2, 3], 4, "end"), prompt([1, 2], 4, "end")]
    contexts = torch.randn(1, 4, WIDTH, dtype=torch.float64)
    ours = TextEncoder(TextTower(model, torch.float64))(
        PackedPrompts(prompts, None, 4, WIDTH), contexts
    )
    assert (ours - encode_naively(model, prompts, contexts.expand(2, -1, -1))).abs().max() < 1e-12


def test_float32_agrees_within_1e_5():
    model = text_model(seed=2)
    prompts = [prompt([i, i % 3, 5], 6, "middle") for i in range(6)]
    contexts = 0.02 * torch.randn(1, 6, WIDTH, dtype=torch.float64)
    naive = encode_naively(model, prompts, contexts.expand(6, -1, -1))
    ours = TextEncoder(TextTower(model, torch.float32))(
        PackedPrompts(prompts, None, 6, WIDTH), contexts.float()
    )
    assert (ours - naive).abs().max() < 1e-5 * naive.abs().max().clamp(min=1)


def test_shared_stems_and_equal_names_are_computed_once():
    alone = PackedPrompts([prompt([1, 2, 3, 4], 0, "end")], share_prefix=False).num_tokens
    equal = PackedPrompts([prompt([1, 2, 3, 4], 0, "end")] * 5, share_prefix=False)
    assert equal.num_tokens == alone
    assert len(set(equal.chunks.ends.tolist())) == 1
    stems = PackedPrompts(
        [prompt([1, 2, 3, 4, i], 2, "end") for i in range(5, 25)], None, 2, share_prefix=True
    )
    assert stems.num_tokens < 0.6 * 20 * len(prompt([1, 2, 3, 4, 5], 2, "end"))


def test_towers_that_are_not_causal_are_refused():
    text = CLIPTextCfg(width=WIDTH, heads=2, layers=1, vocab_size=VOCABULARY, no_causal_mask=True)
    model = CLIP(32, CLIPVisionCfg(layers=1, width=64, patch_size=8, image_size=16), text)
    with pytest.raises(UserError, match="not causal"):
        TextTower(model, torch.float32)


def test_passes_that_are_kept_give_what_a_new_encoder_gives_bit_for_bit(monkeypatch):
    monkeypatch.setattr(passes, "MOST_PASSES", 2)
    prompts = [prompt([i, i % 3, 5], 2, "middle") for i in range(9)]
    layout = PackedPrompts(prompts, [i % 3 for i in range(9)], 2, WIDTH)
    kept = TextEncoder(ENCODER.tower)
    contexts = torch.randn(2, 3, 2, WIDTH, dtype=torch.float64).requires_grad_()
    asked = [(None, 1, None), ([0, 2], 1, 8), ([0, 2], 2, None), (None, 1, 8), (None, 1, None)]
    with torch.inference_mode():
        kept(layout, contexts[0])
    for groups, copies, bound in 2 * asked:
        given = contexts[:copies, : len(groups or range(3))]
        ours, new = (
            encoder(layout, given, groups, max_tokens=bound)
            for encoder in (kept, TextEncoder(ENCODER.tower))
        )
        assert torch.equal(ours, new)
        gradients = [torch.autograd.grad(each.square().sum(), contexts)[0] for each in (ours, new)]
        assert torch.equal(*gradients)
        assert len(kept._prepared[layout]._passes) <= 2
