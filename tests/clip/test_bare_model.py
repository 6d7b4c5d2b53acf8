"""A model's folder takes no memory but for the tensors that are in it."""

from __future__ import annotations

import json
import resource

import pytest
import torch
from safetensors.torch import save_file

import softcpt
from softcpt.errors import UserError
from softcpt.testing.random_clip import random_openai_state_dict

VISION = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 1}
HUGE = 10**9


def model_folder(folder, tensors, size=32, **changes):
    """A folder with ``tensors`` whose configuration has ``changes``, by "part.key"."""
    parts = {"vision_cfg": dict(VISION), "text_cfg": dict(TEXT)}
    model = {"embed_dim": 16, **parts}
    for name, value in changes.items():
        part, _, key = name.partition("__")
        (parts[part] if key else model)[key or part] = value
    (folder / "m").mkdir()
    preprocess = {"size": size, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    config = {"model_cfg": model, "preprocess": preprocess}
    (folder / "m/m.json").write_text(json.dumps(config))
    save_file(tensors, folder / "m/m.safetensors")
    return str(folder / "m")


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(
    "change, value",
    [
        ("embed_dim", HUGE),
        ("text_cfg__context_length", HUGE),
        ("text_cfg__layers", HUGE),
        ("text_cfg__width", 4 * 10**6),
        ("vision_cfg__image_size", 16 * 10**6),
        ("vision_cfg__layers", HUGE),
        ("vision_cfg__layers", [HUGE] * 4),
        ("vision_cfg__mlp_ratio", 1e6),
        ("vision_cfg__timm_model_name", "hf-hub:somebody/something"),
        ("vision_cfg__width", 64 * 10**6),
    ],
)
def test_a_folder_that_states_huge_sizes_is_refused_before_memory_is_taken(tmp_path, change, value):
    place = model_folder(tmp_path, {"a": torch.ones(2)}, **{change: value})
    before = peak()
    with pytest.raises(UserError, match="make no CLIP model"):
        softcpt.load_clip(place)
    assert peak() - before < 1 << 27


def test_factors_whose_product_is_huge_are_refused(tmp_path):
    tensors = {"a.left": torch.ones(300_000, 1), "a.right": torch.ones(1, 300_000)}
    with pytest.raises(UserError, match="far larger than what it is made of"):
        softcpt.load_clip(model_folder(tmp_path, tensors))


def test_factors_that_do_not_fit_are_refused(tmp_path):
    tensors = {"a.left": torch.ones(3, 2), "a.right": torch.ones(3, 2)}
    with pytest.raises(UserError, match=r"\(3, 2\) and \(3, 2\) cannot be multiplied"):
        softcpt.load_clip(model_folder(tmp_path, tensors))


def test_a_folder_gives_the_model_that_its_tensors_are_of(tmp_path):
    """The same numbers as from a state dict, the mask of attention among them."""
    state = random_openai_state_dict("vit", text_layers=1, seed=3)
    other = softcpt.load_clip(state)
    width, _, patch, _ = state["visual.conv1.weight"].shape
    blocks = {key.split(".")[3] for key in state if key.startswith("visual.transformer.resblocks")}
    text_width = len(state["ln_final.weight"])
    changes = {
        "embed_dim": state["text_projection"].shape[1],
        "quick_gelu": True,
        "vision_cfg__image_size": other.image_size,
        "vision_cfg__patch_size": patch,
        "vision_cfg__width": width,
        "vision_cfg__layers": len(blocks),
        "text_cfg__width": text_width,
        "text_cfg__heads": max(1, text_width // 64),
    }
    tensors = {name: tensor.clone() for name, tensor in other.model.state_dict().items()}
    clip = softcpt.load_clip(model_folder(tmp_path, tensors, other.image_size, **changes))
    assert torch.equal(clip.model.attn_mask, other.model.attn_mask)
    assert not any(t.is_meta for t in (*clip.model.parameters(), *clip.model.buffers()))
    images = torch.linspace(-1, 1, 3 * other.image_size**2).reshape(1, 3, *[other.image_size] * 2)
    assert torch.equal(clip.model.encode_image(images), other.model.encode_image(images))
