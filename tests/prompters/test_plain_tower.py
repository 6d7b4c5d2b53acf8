"""Every method runs on a model whose text tower is not CLIP's, or is refused by name."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.errors import UserError
from softcpt.prompters import OWN, FeatureClassifier, build_method
from tests.helpers.clip_files import images
from tests.helpers.model_families import write_family

TASKS = softcpt.TaskSet(
    [softcpt.Task("pets", ["cat", "dog"]), softcpt.Task("flower", ["red flower", "the flower"])]
)
# They need an image tower that ends in a linear layer; SigLIP's ends in a pooling by attention.
OF_THE_IMAGE_TOWER = {"PLOT", "ProLIP"}
SHORT = {
    "CoOp": {"n_ctx": 4},
    "CoOp-MT": {"n_ctx": 4},
    "ProGrad": {"n_ctx": 4},
    **{name: {"n_ctx": 4} for name in OWN if name.startswith("SoftCPT")},
}


@pytest.fixture(scope="module")
def siglip(tmp_path_factory) -> softcpt.Clip:
    folder = write_family("SigLIP", tmp_path_factory.mktemp("models") / "siglip")
    return softcpt.load_clip(folder, device="cpu")


@pytest.mark.parametrize("name", sorted(OWN - OF_THE_IMAGE_TOWER))
def test_a_method_is_trained_or_fitted(siglip, name):
    method = build_method(name, siglip, TASKS, **SHORT.get(name, {}))
    features, labels = method.encode_image(images(siglip, 8)), torch.arange(8) % 4
    if isinstance(method, FeatureClassifier):
        views = features[:, None].expand(-1, 3, -1) if method.augmented else features
        method.fit(views, labels, features, labels)
    elif any(True for _ in method.parameters()):
        method.loss(features, labels)[0].backward()
        gradients = [parameter.grad for parameter in method.parameters()]
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert any(gradient.abs().sum() > 0 for gradient in gradients)
    logits = method.logits(features)
    assert logits.shape == (8, 4) and not logits.isnan().any()


@pytest.mark.parametrize("name", sorted(OF_THE_IMAGE_TOWER))
def test_a_method_that_needs_another_image_tower_says_so(siglip, name):
    with pytest.raises(UserError, match="image tower VisionTransformer: it .* choose"):
        build_method(name, siglip, TASKS, **({"n_ctx": 4} if name == "PLOT" else {})).encode_image(
            images(siglip)
        )
