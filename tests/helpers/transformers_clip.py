"""A CLIP of transformers with the image tower of a state dict in OpenAI's format."""

from __future__ import annotations

import os
from pathlib import Path

from torch import Tensor


def save_for_transformers(state: dict[str, Tensor], image_size: int, folder: Path) -> None:
    """Write a folder that ``CLIPModel.from_pretrained`` reads; its text tower is random."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers import CLIPConfig, CLIPModel

    width, _, patch, _ = state["visual.conv1.weight"].shape
    layers = len({n.split(".")[3] for n in state if n.startswith("visual.transformer.resblocks.")})
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    vision = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "image_size": image_size,
        "patch_size": patch,
        "hidden_act": "quick_gelu",
    }
    text = {**small, "num_attention_heads": 1}
    dim = state["visual.proj"].shape[1]
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=dim)
    model = CLIPModel(config)
    theirs = translated(state, layers)
    left = model.load_state_dict(theirs, strict=False)
    assert not left.unexpected_keys
    assert not [name for name in left.missing_keys if name.startswith("vis")]
    model.save_pretrained(folder)


def translated(state: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The image tower's tensors under transformers' names."""
    ours, theirs = "visual.", "vision_model."
    found = {
        f"{theirs}embeddings.class_embedding": state[f"{ours}class_embedding"],
        f"{theirs}embeddings.patch_embedding.weight": state[f"{ours}conv1.weight"],
        f"{theirs}embeddings.position_embedding.weight": state[f"{ours}positional_embedding"],
        "visual_projection.weight": state[f"{ours}proj"].t().contiguous(),
    }
    pairs = {"ln_pre": "pre_layrnorm", "ln_post": "post_layernorm"}
    for number in range(layers):
        block, layer = f"transformer.resblocks.{number}", f"encoder.layers.{number}"
        pairs |= {
            f"{block}.ln_1": f"{layer}.layer_norm1",
            f"{block}.ln_2": f"{layer}.layer_norm2",
            f"{block}.attn.out_proj": f"{layer}.self_attn.out_proj",
            f"{block}.mlp.c_fc": f"{layer}.mlp.fc1",
            f"{block}.mlp.c_proj": f"{layer}.mlp.fc2",
        }
        for kind in ("weight", "bias"):
            parts = state[f"{ours}{block}.attn.in_proj_{kind}"].chunk(3)
            for letter, part in zip("qkv", parts):
                found[f"{theirs}{layer}.self_attn.{letter}_proj.{kind}"] = part.contiguous()
    for old, new in pairs.items():
        for kind in ("weight", "bias"):
            found[f"{theirs}{new}.{kind}"] = state[f"{ours}{old}.{kind}"]
    return found
