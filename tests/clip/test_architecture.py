"""A model's architecture is known by the shapes of its weights."""

from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.model import CLIP

from softcpt.clip.architecture import ARCHITECTURES, architecture_of
from softcpt.clip.weights import OPENAI_WEIGHTS


def built(name: str, **changes: int) -> CLIP:
    """open_clip's model of that name, without memory for its weights."""
    config = open_clip.get_model_config(name)
    config["text_cfg"] |= changes
    with torch.device("meta"):
        return CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"])


def test_each_of_openais_has_a_shape():
    assert list(ARCHITECTURES.values()) == list(OPENAI_WEIGHTS)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("RN50", "RN50"),
        ("RN101", "RN101"),
        ("RN50x4", "RN50x4"),
        ("RN50x16", "RN50x16"),
        ("RN50x64", "RN50x64"),
        ("ViT-B-32", "ViT-B/32"),
        ("ViT-B-16", "ViT-B/16"),
        ("ViT-L-14", "ViT-L/14"),
        ("ViT-L-14-336", "ViT-L/14@336px"),
        ("ViT-B-32-256", None),
    ],
)
def test_models_are_recognised(name, wanted):
    assert architecture_of(built(name)) == wanted


def test_another_text_tower_is_another_architecture():
    assert architecture_of(built("RN50", layers=6)) is None


def test_a_model_of_ones_own_is_none_of_them(clip):
    assert clip.architecture is None
