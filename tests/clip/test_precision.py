"""Under amp frozen matrices are held in the type that autocast casts them to: every bit is that of
autocast over fp32 weights."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.clip.precision import PRECISIONS, needs_loss_scaling, usable_precision
from softcpt.testing.random_clip import random_openai_state_dict
from softcpt.text.encoder import TextEncoder
from softcpt.text.tower import TextTower
from tests.helpers.emulated import TASKS

CPU = torch.device("cpu")


def held_and_cast(state: dict) -> list[softcpt.Clip]:
    """A CLIP under amp, and the same with fp32 weights."""
    held, cast = (
        softcpt.load_clip(dict(state), "amp", CPU),
        softcpt.load_clip(dict(state), "fp32", CPU),
    )
    cast.precision = "amp"
    vars(cast)["text"] = TextEncoder(TextTower(cast.model, torch.float32))
    return [held, cast]


def weight_types(model: torch.nn.Module) -> set[torch.dtype]:
    return {one.dtype for name, one in model.named_parameters() if one.dim() > 1}


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_features_of_images_and_their_projection_are_those_of_autocast(kind):
    held, cast = held_and_cast(random_openai_state_dict(kind))
    assert weight_types(held.model.visual) == {torch.bfloat16}
    assert held.fingerprint == cast.fingerprint
    images = torch.randn(2, 3, held.image_size, held.image_size)
    for which in ({}, {"spatial": True}, {"unprojected": True}):
        ours, theirs = (clip.encode_image(images, **which) for clip in (held, cast))
        assert torch.equal(ours, theirs)
    assert torch.equal(held.project(ours), cast.project(theirs))


@pytest.mark.parametrize(
    ("method", "options"), [("SoftCPT", {"max_text_tokens": 16}), ("UPT", {}), ("VPT", {})]
)
def test_losses_and_gradients_are_those_of_autocast(method, options):
    found = []
    for clip in held_and_cast(random_openai_state_dict("vit", text_layers=3)):
        torch.manual_seed(0)
        prompter = softcpt.build_prompter(method, clip, TASKS, n_ctx=2, **options)
        images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        loss, _ = prompter.loss(prompter.encode_image(images), torch.tensor([0, 2, 5]))
        loss.backward()
        found.append([loss, *(one.grad for one in prompter.parameters())])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("device", "wanted"),
    [("cpu", []), ("cuda", ["amp", "fp16"]), ("mps", ["fp16"])],
)
def test_losses_are_scaled_where_gradients_go_through_fp16(device, wanted):
    there = torch.device(device)
    kinds = {usable_precision(kind, there) for kind in PRECISIONS}
    assert sorted(kind for kind in kinds if needs_loss_scaling(kind, there)) == wanted
