"""The class matrix gives the library's own logits, and is refused where it cannot."""

from __future__ import annotations

import pytest
import torch

import softcpt
from tests.helpers.adapted import TASKS, adapted, pictures

NONE = ("CoCoOp", "CoCoOp-MT", "PLOT", "Tip-Adapter", "Tip-Adapter-F", "ProKeR", "ProLIP")


@pytest.mark.parametrize("name", softcpt.list_prompters())
def test_it_gives_the_methods_logits_or_says_why_not(clip, name):
    q = adapted(name, clip)
    if name in NONE:
        with pytest.raises(softcpt.UserError, match="not those of one class matrix .*; .*"):
            q.class_matrix()
        return
    matrix, images = q.class_matrix(), pictures(clip, 4)
    with torch.no_grad():
        features = q.method.encode_image(images) if name in ("VPT", "UPT") else None
        features = clip.encode_image(images) if features is None else features
        assert torch.allclose(matrix.logits(features), q.method(images), atol=1e-4)
    assert matrix.weights.shape == (clip.embed_dim, TASKS.num_classes)
    assert matrix.class_names == TASKS.class_names and matrix.task_offsets == (0, 3)


def test_columns_of_class_embeddings_have_unit_length(clip):
    matrix = adapted("SoftCPT", clip).class_matrix()
    assert torch.allclose(matrix.weights.norm(dim=0), torch.ones(5), atol=1e-5)
    assert matrix.logit_scale == pytest.approx(100, rel=1e-4) and matrix.bias is None
    assert matrix.columns(0) == slice(0, 3) and matrix.columns(1) == slice(3, 5)


def test_a_class_without_images_is_never_predicted(clip):
    prompter = softcpt.build_prompter("ProtoNet", clip, TASKS)
    labels = torch.tensor([0, 1, 3, 4])
    prompter.fit(prompter.encode_image(pictures(clip, 4)), labels)
    matrix = softcpt.AdaptedClip(prompter, "ProtoNet").class_matrix()
    assert matrix.bias.tolist() == [0, 0, -float("inf"), 0, 0]


def test_a_method_with_logits_of_its_own_is_refused(clip):
    class Squared(type(softcpt.build_prompter("ZeroShot", clip, TASKS))):
        def logits(self, features, tasks=None, classes=None):
            return super().logits(features, tasks, classes) ** 2

    prompter = Squared(clip, TASKS, Squared.Options())
    with pytest.raises(softcpt.UserError, match="Squared: it computes its logits in a way of its"):
        softcpt.AdaptedClip(prompter, "Squared").class_matrix()
