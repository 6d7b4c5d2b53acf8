"""Local image embeddings: every kind of tower against an independent statement of what they are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from softcpt.clip.model import load_clip
from softcpt.errors import UserError
from softcpt.testing.random_clip import random_openai_state_dict
from tests.helpers.clip_files import EFFICIENTNET_CFG, OPEN_CLIP_CFG, TIMM_CFG, images, packaged


@pytest.mark.parametrize("image_size", [64, 96])
def test_local_features_of_a_resnet_are_its_attention_pool_asked_at_every_position(image_size):
    clip = load_clip(
        random_openai_state_dict("resnet", image_size=image_size, text_width=64, text_layers=1)
    )
    visual, x = clip.model.visual, images(clip)
    pool = visual.attnpool
    with torch.no_grad():
        places = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(x))))).flatten(
            2
        )
        inputs = (
            torch.cat([places.mean(dim=2, keepdim=True), places], dim=2).mT
            + pool.positional_embedding
        )
        weights = [layer.weight for layer in (pool.q_proj, pool.k_proj, pool.v_proj)]
        attention = nn.MultiheadAttention(inputs.shape[2], pool.num_heads, batch_first=True)
        attention.in_proj_weight.data = torch.cat(weights)
        attention.in_proj_bias.data = torch.cat(
            [layer.bias for layer in (pool.q_proj, pool.k_proj, pool.v_proj)]
        )
        attention.out_proj = nn.Identity()
        attention.out_proj.weight, attention.out_proj.bias = torch.eye(inputs.shape[2]), None
        expected = pool.c_proj(attention(inputs, inputs, inputs)[0])
    features = clip.encode_image(x, spatial=True)
    assert (
        features.shape == (3, 1 + (image_size // 32) ** 2, clip.embed_dim)
        and clip.places == features.shape[1] - 1
    )
    torch.testing.assert_close(features, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(features[:, 0], clip.encode_image(x))


def test_local_features_of_a_vit_are_its_patches_in_the_joint_space(clip):
    visual, x, last = clip.model.visual, images(clip), []
    hook = visual.transformer.register_forward_hook(
        lambda module, inputs, output: last.append(output)
    )
    pooled = clip.encode_image(x)
    hook.remove()
    features = clip.encode_image(x, spatial=True)
    assert features.shape == (3, 17, clip.embed_dim) and clip.places == 16
    torch.testing.assert_close(features[:, 0], pooled)
    torch.testing.assert_close(features[:, 1:], visual.ln_post(last[0][:, 1:]) @ visual.proj)


@pytest.mark.parametrize("config", [EFFICIENTNET_CFG, TIMM_CFG], ids=["efficientnet", "resnet"])
def test_local_features_of_a_convolutional_tower_are_its_head_at_every_position(tmp_path, config):
    folder, _ = packaged(tmp_path / "mine", config)
    clip = load_clip(folder)
    x = images(clip)
    features = clip.encode_image(x, spatial=True)
    places = clip.model.visual.trunk.forward_features(x)
    assert features.shape == (3, 5, clip.embed_dim)
    torch.testing.assert_close(features[:, 0], clip.encode_image(x))
    torch.testing.assert_close(
        features[:, 1:].mean(dim=1), features[:, 0]
    )  # a linear head behind a mean
    torch.testing.assert_close(features[:, 3], clip.model.visual.head(places[:, :, 1, 0]))
    low = load_clip(folder, "bf16").encode_image(x, spatial=True)
    assert (low - features).norm() < 0.05 * features.norm()


@pytest.mark.parametrize("precision", ["bf16", "amp"])
@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_local_features_at_lower_precision_stay_close_to_fp32(kind, precision):
    state = random_openai_state_dict(kind, text_width=64, text_layers=1)
    x = images(load_clip(state))
    exact, low = (
        load_clip(state, name).encode_image(x, spatial=True) for name in ("fp32", precision)
    )
    assert low.dtype == torch.float32 and 0 < (low - exact).norm() < 0.05 * exact.norm()


def test_gradients_reach_the_images_through_local_features(clip):
    x = images(clip).requires_grad_()
    assert not clip.encode_image(x, spatial=True).requires_grad
    clip.encode_image(x, grad=True, spatial=True)[:, 1:].sum().backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "vision",
    [
        {
            "image_size": 64,
            "timm_model_name": "resnet10t",
            "timm_pool": "abs_attn",
            "timm_proj": "",
        },
        {"image_size": 160, "timm_model_name": "test_vit"},
        {**OPEN_CLIP_CFG["vision_cfg"], "attentional_pool": True, "attn_pooler_heads": 4},
    ],
    ids=["attention pool of timm", "vit of timm", "CoCa's pooler"],
)
def test_towers_without_local_features_say_so(tmp_path, vision):
    folder, _ = packaged(
        tmp_path / "mine", {**OPEN_CLIP_CFG, "vision_cfg": vision}, image_size=vision["image_size"]
    )
    with pytest.raises(UserError, match=r"^image tower \w+: it has no local embeddings .*; choose"):
        load_clip(folder).encode_image(torch.zeros(1, 3, *[vision["image_size"]] * 2), spatial=True)
