"""Exported files hold what the library computes, in any batch size; what cannot be carried is
refused in one line."""

from __future__ import annotations

import json

import onnxruntime
import pytest
import torch
from safetensors import safe_open

import softcpt
from softcpt.artefacts.exports import image_classifier
from softcpt.testing.random_clip import random_openai_state_dict
from tests.helpers.adapted import TASKS, adapted, pictures
from tests.helpers.toy import WEIGHTS

# Each way that features and logits are made, in one of both kinds; the others with more patience.
QUICK = [("onnx", "CoOp"), ("onnx", "ProKeR"), ("torch", "VPT"), ("torch", "LinearProbe")]
SLOW = [
    *(("onnx", name) for name in ("VPT", "UPT", "LinearProbe", "ProLIP", "GDA")),
    *(("torch", name) for name in ("CoOp", "UPT", "ProLIP", "ProKeR", "Tip-Adapter-F", "GDA")),
]


def onnx_logits(path, images):
    session = onnxruntime.InferenceSession(str(path))
    return torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


def torch_logits(path, images):
    return torch.export.load(path).module()(images)


@pytest.mark.parametrize(
    "kind, name", [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]
)
def test_a_graph_gives_the_methods_logits(clip, tmp_path, kind, name):
    q = adapted(name, clip)
    written = q.export(kind, tmp_path / "file")
    assert written.files == (tmp_path / "file",)
    assert written.checked.startswith("largest difference from torch's logits: ")
    images = pictures(clip, 5)
    given = {"onnx": onnx_logits, "torch": torch_logits}[kind](tmp_path / "file", images)
    with torch.no_grad():
        assert torch.allclose(given, q.method(images), atol=1e-3)


@pytest.mark.parametrize("kind", ["onnx", "torch"])
@pytest.mark.parametrize("name, reason", [("CoCoOp", "the text tower"), ("PLOT", "its matching")])
def test_what_cannot_be_a_graph_says_why(clip, tmp_path, kind, name, reason):
    with pytest.raises(softcpt.UserError, match=f"{name}: it cannot be exported .{reason}"):
        adapted(name, clip).export(kind, tmp_path / "file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [pytest.param("onnx", marks=pytest.mark.slow), "torch"])
def test_a_graph_that_differs_is_not_written(clip, tmp_path, kind, monkeypatch):
    class Wrong(image_classifier._Linear):
        def forward(self, features):
            return super().forward(features) + 0.5

    monkeypatch.setattr(image_classifier, "_Linear", Wrong)
    with pytest.raises(softcpt.UserError, match="differ from torch's by 5.0e-01"):
        adapted("CoOp", clip).export(kind, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_a_resnet_whose_method_never_predicts_a_class(tmp_path):
    clip = softcpt.load_clip(random_openai_state_dict("resnet", text_layers=1))
    prompter = softcpt.build_prompter("ProtoNet", clip, TASKS)
    prompter.fit(prompter.encode_image(pictures(clip, 4)), torch.tensor([0, 1, 3, 4]))
    softcpt.AdaptedClip(prompter, "ProtoNet").export("onnx", tmp_path / "file")
    images = pictures(clip, 3)
    given = onnx_logits(tmp_path / "file", images)
    assert given[:, 2].tolist() == [-float("inf")] * 3
    with torch.no_grad():
        assert torch.allclose(given, prompter(images), atol=1e-3)


def test_files_say_what_their_columns_are(clip, tmp_path):
    q = adapted("GDA", clip)
    q.export("classifier", tmp_path / "classifier")
    q.export("onnx", tmp_path / "onnx")
    file, matrix = safe_open(tmp_path / "classifier", "pt"), q.class_matrix()
    assert torch.equal(file.get_tensor("weights"), matrix.weights)
    assert torch.equal(file.get_tensor("bias"), matrix.bias)
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx"))
    assert session.get_inputs()[0].shape == ["batch", 3, clip.image_size, clip.image_size]
    for about in (file.metadata(), session.get_modelmeta().custom_metadata_map):
        assert json.loads(about["class_names"]) == list(TASKS.class_names)
        assert json.loads(about["task_names"]) == list(TASKS.names)
        assert json.loads(about["task_offsets"]) == [0, 3]
        assert json.loads(about["preprocess"])["size"] == clip.image_size
        assert about["backbone_fingerprint"] == clip.fingerprint
    assert float(file.metadata()["logit_scale"]) == matrix.logit_scale


@pytest.mark.parametrize("library", ["open_clip", "transformers"])
def test_other_libraries_towers_have_no_prompts(clip, tmp_path, library):
    with pytest.raises(softcpt.UserError, match=f"VPT: it prompts the image tower, and {library}"):
        adapted("VPT", clip).export(library, tmp_path / "file", model="ViT-B-32/my.pt")
    assert not list(tmp_path.iterdir())


def test_an_unknown_backbone_needs_its_name(clip, tmp_path):
    q = adapted("ZeroShot", clip)
    for library in ("open_clip", "transformers"):
        with pytest.raises(softcpt.UserError, match="--model"):
            q.export(library, tmp_path / "file")
        with pytest.raises(softcpt.UserError, match="with open_clip or transformers only"):
            q.export("onnx", tmp_path / "file", model="ViT-B-32/my.pt")
    q.export("open_clip", tmp_path / "file", model="ViT-B-32/my.pt")
    about = safe_open(tmp_path / "file", "pt").metadata()
    # The towers' activation is OpenAI's.
    assert (about["model"], about["pretrained"]) == ("ViT-B-32-quickgelu", "my.pt")


def test_transformers_has_no_such_tower(tmp_path):
    clip = softcpt.load_clip(random_openai_state_dict("resnet", text_layers=1))
    with pytest.raises(softcpt.UserError, match="no image tower like it .ModifiedResNet"):
        adapted("ZeroShot", clip).export("transformers", tmp_path / "file", model="me/clip")


@pytest.mark.parametrize(
    "name, open_clip_names, repository",
    [
        ("ViT-B/16", ("ViT-B-16-quickgelu", "openai"), "openai/clip-vit-base-patch16"),
        (
            "ViT-L/14@336px",
            ("ViT-L-14-336-quickgelu", "openai"),
            "openai/clip-vit-large-patch14-336",
        ),
        ("RN50", ("RN50-quickgelu", "openai"), None),
        (  # the activation is that of the clip of this test
            "ViT-B-32/laion2b_s34b_b79k",
            ("ViT-B-32-quickgelu", "laion2b_s34b_b79k"),
            "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        ),
        ("hf-hub:me/clip", ("hf-hub:me/clip", ""), None),
    ],
)
def test_named_backbones_are_called_as_the_libraries_do(
    clip, tmp_path, monkeypatch, name, open_clip_names, repository
):
    q = adapted("ZeroShot", clip)
    monkeypatch.setattr(clip, "name", name)
    q.export("open_clip", tmp_path / "file")
    about = safe_open(tmp_path / "file", "pt").metadata()
    assert (about["model"], about["pretrained"]) == open_clip_names
    if repository is not None:
        q.export("transformers", tmp_path / "file")
        assert safe_open(tmp_path / "file", "pt").metadata()["model"] == repository


def test_a_file_of_weights_is_named_from_the_exported_file(tmp_path, monkeypatch):
    clip = softcpt.load_clip(WEIGHTS)
    monkeypatch.setattr(clip, "architecture", "ViT-B/32")
    adapted("ZeroShot", clip).export("open_clip", tmp_path / "file")
    about = safe_open(tmp_path / "file", "pt").metadata()
    assert about["model"] == "ViT-B-32-quickgelu" and not about["pretrained"].startswith("/")
    assert (tmp_path / about["pretrained"]).resolve() == WEIGHTS.resolve()


@pytest.mark.parametrize("precision", ["bf16", "amp"])
def test_lower_precisions_are_refused(tmp_path, precision):
    clip = softcpt.load_clip(random_openai_state_dict(text_layers=1), precision=precision)
    with pytest.raises(softcpt.UserError, match=f'{precision} on cpu: .* with precision="fp32"'):
        adapted("ZeroShot", clip).export("torch", tmp_path / "file")


def test_an_unknown_kind_lists_the_kinds(clip, tmp_path):
    with pytest.raises(softcpt.UserError, match="'tflite': no such kind; choose from classifier,"):
        adapted("ZeroShot", clip).export("tflite", tmp_path / "file")
