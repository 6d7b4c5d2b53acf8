"""Image features in front of the projection give the image features behind it."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.features.bank import FeatureBank
from softcpt.testing.random_clip import SMALL_ARCHITECTURES, random_openai_state_dict


@pytest.mark.parametrize("name", ["RN50", "ViT-B/32", "tiny"])
def test_projected_features_are_the_towers(name):
    source = "tiny" if name == "tiny" else random_openai_state_dict(**SMALL_ARCHITECTURES[name])
    clip = softcpt.load_clip(source)
    images = torch.randn(3, 3, clip.image_size, clip.image_size)
    before = clip.encode_image(images, unprojected=True)
    assert before.shape == (3, len(clip.projection.weight))
    after = clip.encode_image(images)
    assert torch.allclose(clip.project(before), after, atol=1e-4 * after.abs().max().item())
    assert not any(parameter.requires_grad for parameter in clip.projection.tower.parameters())


def test_a_tower_that_ends_otherwise_is_refused():
    clip = softcpt.load_clip(random_openai_state_dict())
    clip.model.visual.proj = None
    with pytest.raises(softcpt.UserError, match="image tower VisionTransformer: it does not end"):
        clip.encode_image(torch.zeros(1, 3, 32, 32), unprojected=True)


def test_a_bank_of_them_is_a_kind_of_its_own(tmp_path):
    from PIL import Image

    clip = softcpt.load_clip(random_openai_state_dict())
    Image.new("RGB", (40, 40), "red").save(tmp_path / "a.png")
    banks = {
        kind: FeatureBank(tmp_path / "bank", clip, kind=kind, workers=0)
        for kind in ("global", "unprojected")
    }
    found = {
        kind: bank.features(["a.png"], clip.preprocess(), root=tmp_path)
        for kind, bank in banks.items()
    }
    assert found["unprojected"].shape == (1, 64) and found["global"].shape == (1, 64)
    assert torch.allclose(clip.project(found["unprojected"]), found["global"], atol=1e-4)
    with pytest.raises(softcpt.UserError, match="kind 'local' is unknown; choose global, spatial"):
        FeatureBank(tmp_path, clip, kind="local")
