"""``load_clip`` gives the same frozen model whatever form its weights come in."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import CLIP, CustomTextCLIP, build_model_from_openai_state_dict
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from softcpt.clip import weights
from softcpt.clip.model import Clip, load_clip
from softcpt.errors import UserError
from softcpt.testing.random_clip import SMALL_ARCHITECTURES, random_openai_state_dict
from tests.helpers.clip_files import (
    EFFICIENTNET_CFG,
    OPEN_CLIP_CFG,
    TIMM_CFG,
    images,
    jit_archive,
    packaged,
)
from tests.helpers.runs import identical


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_openai_state_dict(text_width=64, text_layers=1, embed_dim=32, dtype=torch.float16)


@pytest.fixture(scope="module")
def clip(state) -> Clip:
    return load_clip(state)


@pytest.mark.parametrize("name", SMALL_ARCHITECTURES)
def test_every_openai_architecture_computes_what_open_clip_computes(name):
    state = random_openai_state_dict(**SMALL_ARCHITECTURES[name], dtype=torch.float16)
    reference = build_model_from_openai_state_dict(dict(state)).float()
    clip = load_clip(state)
    x, text = images(clip), open_clip.tokenize(["a photo of a cat.", "a dog"])
    with torch.no_grad():
        torch.testing.assert_close(
            clip.encode_image(x), reference.encode_image(x), atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(
            clip.model.encode_text(text), reference.encode_text(text), atol=1e-4, rtol=1e-4
        )
    assert clip.image_size == SMALL_ARCHITECTURES[name].get("image_size", 64)
    assert clip.text_width == SMALL_ARCHITECTURES[name].get("text_width", 128)
    assert clip.embed_dim == SMALL_ARCHITECTURES[name].get("embed_dim", 64)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_ARCHITECTURES)
def test_full_size_architectures_are_deduced(name):
    config_name = name.replace("/", "-").replace("@336px", "-336") + "-quickgelu"
    config = open_clip.get_model_config(config_name) or open_clip.get_model_config(
        config_name.replace("-quickgelu", "")
    )
    vision, text = config["vision_cfg"], config["text_cfg"]
    state = random_openai_state_dict(
        "resnet" if name.startswith("RN") else "vit",
        embed_dim=config["embed_dim"],
        image_size=vision["image_size"],
        patch_size=vision.get("patch_size") or 0,
        vision_width=vision["width"],
        vision_layers=vision["layers"]
        if isinstance(vision["layers"], int)
        else tuple(vision["layers"]),
        text_width=text["width"],
        text_layers=text["layers"],
    )
    clip = load_clip(state)
    with torch.device("meta"):
        reference = CLIP(**{**config, "quick_gelu": True}).eval()
    reference.load_state_dict(state, assign=True)
    x = images(clip, 1)
    with torch.no_grad():
        expected = reference.encode_image(x)
    assert clip.image_size == vision["image_size"]
    assert (clip.encode_image(x) - expected).norm() < 1e-4 * expected.norm()


def test_fp32_weights_keep_all_their_bits():
    state = random_openai_state_dict(text_width=64, text_layers=1)
    assert torch.equal(load_clip(state).model.text_projection, state["text_projection"])


def test_the_fingerprint_and_the_features_do_not_depend_on_the_file_format(state, clip, tmp_path):
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    torch.save(state, tmp_path / "clip.pt")
    save_file(state, tmp_path / "clip.safetensors")
    np.savez(tmp_path / "clip.npz", **arrays)
    jit_archive(state, tmp_path / "jit.pt")
    sources = [
        arrays,
        *(tmp_path / name for name in ("clip.pt", "clip.safetensors", "clip.npz", "jit.pt")),
    ]
    x = images(clip)
    for source in sources:
        loaded = load_clip(source)
        assert loaded.fingerprint == clip.fingerprint
        assert identical(loaded.model.state_dict(), clip.model.state_dict())
        torch.testing.assert_close(loaded.encode_image(x), clip.encode_image(x))


def test_features_in_other_batches_and_with_other_threads_are_close(clip):
    x, threads = images(clip, 30), torch.get_num_threads()
    one_by_one = torch.cat([clip.encode_image(image[None]) for image in x])
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for size in (30, 16, 10):
                found = torch.cat([clip.encode_image(part) for part in x.split(size)])
                assert (found - one_by_one).abs().max() < 1e-5 * one_by_one.abs().max()
    finally:
        torch.set_num_threads(threads)


def test_the_fingerprint_does_not_depend_on_the_precision():
    state = random_openai_state_dict(text_width=64, text_layers=1)
    assert (
        load_clip(state).fingerprint
        == load_clip(state, "bf16").fingerprint
        == load_clip(state, "amp").fingerprint
    )


def test_the_fingerprint_sees_one_changed_weight_and_another_activation(state, clip, tmp_path):
    changed = {name: tensor.clone() for name, tensor in state.items()}
    changed["visual.ln_post.bias"][0] += 1
    assert load_clip(changed).fingerprint != clip.fingerprint
    folder, _ = packaged(tmp_path / "one", OPEN_CLIP_CFG)
    config = json.loads((folder / "one.json").read_text())
    gelu = load_clip(folder)
    config["model_cfg"]["quick_gelu"] = True
    (folder / "one.json").write_text(json.dumps(config))
    assert load_clip(folder).fingerprint != gelu.fingerprint


def test_loading_leaves_the_callers_random_numbers_and_tensors_alone(state, tmp_path):
    folder, _ = packaged(tmp_path / "one", TIMM_CFG)
    before = torch.get_rng_state()
    load_clip(state), load_clip(folder)
    assert torch.equal(torch.get_rng_state(), before)
    assert state["text_projection"].dtype == torch.float16


def test_it_is_frozen_and_stays_in_eval_mode(clip):
    outer = nn.ModuleList([clip]).train()
    assert not any(module.training for module in outer[0].modules())
    assert not any(parameter.requires_grad for parameter in clip.parameters())


def test_gradients_reach_the_images_only_when_asked(clip):
    x = images(clip).requires_grad_()
    assert not clip.encode_image(x).requires_grad
    clip.encode_image(x, grad=True).sum().backward()
    assert x.grad.abs().sum() > 0


def test_the_logit_scale_is_a_scalar_logarithm(clip, state):
    assert clip.logit_scale.shape == () and clip.logit_scale.dtype == torch.float32
    assert clip.logit_scale == state["logit_scale"].float()


def test_the_tokenizer_is_clips(clip):
    assert clip.tokenizer.encode("A photo  of a CAT.") == [320, 1125, 539, 320, 2368, 269]
    assert (clip.tokenizer.sot_token_id, clip.tokenizer.eot_token_id) == (49406, 49407)
    assert clip.context_length == 77


@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.parametrize("precision", ["bf16", "amp"])
def test_lower_precisions_stay_close_to_fp32(kind, precision):
    state = random_openai_state_dict(kind, text_width=64, text_layers=1)
    exact, low = load_clip(state), load_clip(state, precision)
    features, expected = low.encode_image(images(exact)), exact.encode_image(images(exact))
    assert low.precision == precision and features.dtype == torch.float32
    assert 0 < (features - expected).norm() < 0.05 * expected.norm()


def test_bf16_keeps_normalisations_and_embeddings_in_fp32():
    model = load_clip(
        random_openai_state_dict("resnet", text_width=64, text_layers=1), "bf16"
    ).model
    low = {name for name, tensor in model.named_parameters() if tensor.dtype == torch.bfloat16}
    assert {
        "text_projection",
        "visual.conv1.weight",
        "transformer.resblocks.0.attn.in_proj_weight",
    } <= low
    assert not low & {
        "token_embedding.weight",
        "positional_embedding",
        "logit_scale",
        "ln_final.weight",
        "visual.bn1.weight",
    }


def test_fp16_on_a_cpu_is_fp32_with_a_notice(state, capsys):
    clip = load_clip(state, "fp16", device="cpu")
    assert capsys.readouterr().out == "fp16 needs a GPU; on this CPU the run uses fp32\n"
    assert clip.precision == "fp32" and clip.dtype == torch.float32


@pytest.mark.parametrize(
    "config", [EFFICIENTNET_CFG, TIMM_CFG, OPEN_CLIP_CFG], ids=["efficientnet", "resnet", "vit"]
)
@pytest.mark.parametrize("kind", [CLIP, CustomTextCLIP])
def test_a_folder_in_the_layout_of_the_embedded_model_is_loaded(tmp_path, config, kind):
    folder, reference = packaged(tmp_path / "mine", config, kind)
    clip = load_clip(folder)
    x = torch.randn(
        2, 3, *[config["vision_cfg"]["image_size"]] * 2, generator=torch.Generator().manual_seed(0)
    )
    text = open_clip.tokenize(["a dog"])
    with torch.no_grad():
        torch.testing.assert_close(
            clip.encode_image(x), reference.encode_image(x), atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(
            clip.model.encode_text(text), reference.encode_text(text), atol=1e-4, rtol=1e-4
        )
    assert (clip.name, clip.image_size, clip.interpolation) == ("mine", 64, "bilinear")
    assert (clip.text_width, clip.embed_dim) == (64, 32)
    low = load_clip(folder, "bf16")
    assert (low.encode_image(x) - clip.encode_image(x)).norm() < 0.05 * clip.encode_image(x).norm()
    assert low.fingerprint == clip.fingerprint


def test_batch_norms_of_an_efficientnet_are_folded_away(tmp_path):
    folder, _ = packaged(tmp_path / "mine", EFFICIENTNET_CFG)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in load_clip(folder).modules())


def test_pictures_become_inputs_as_in_clips_pipeline(clip):
    picture = Image.fromarray(np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3))
    small = picture.resize((42, 32), Image.Resampling.BICUBIC).crop((5, 0, 37, 32))
    expected = (np.asarray(small) / 255 - clip.image_mean) / clip.image_std
    torch.testing.assert_close(
        clip.preprocess()(picture), torch.from_numpy(expected).permute(2, 0, 1).float()
    )
    assert clip.preprocess(train=True)(picture.convert("L")).shape == (3, 32, 32)


def test_the_transforms_description_is_the_same_in_every_process(clip):
    assert " at 0x" not in repr(clip.preprocess()) + repr(clip.preprocess(train=True))


def test_an_open_clip_model_is_loaded_from_its_own_folder(tmp_path):
    with torch.random.fork_rng(devices=[]):
        reference = CLIP(**OPEN_CLIP_CFG).eval()
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps(
            {
                "model_cfg": OPEN_CLIP_CFG,
                "preprocess_cfg": {"mean": [0.5] * 3, "resize_mode": "squash"},
            }
        )
    )
    save_file(reference.state_dict(), tmp_path / "open_clip_model.safetensors")
    clip = load_clip(f"local-dir:{tmp_path}")
    torch.testing.assert_close(
        clip.encode_image(images(clip)), reference.encode_image(images(clip)).detach()
    )
    assert clip.image_mean == (0.5, 0.5, 0.5)
    assert clip.preprocess()(Image.new("RGB", (64, 32))).shape == (3, 32, 32)
    assert load_clip(f"local-dir:{tmp_path}", "bf16").encode_image(images(clip)).isfinite().all()


def test_open_clips_log_lines_leave_the_root_logger_as_it_was(monkeypatch, capfd):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(open_clip.factory, "download_pretrained", lambda *_, **__: 1 / 0)
    assert "division by zero" in refusal("ViT-B-32/laion2b_s34b_b79k")
    assert logging.getLogger().handlers == [] and capfd.readouterr().err == ""


def test_open_clip_pairs_use_the_activation_they_were_trained_with(monkeypatch):
    asked = {}

    def create_model(name: str, pretrained: str, **options: object) -> nn.Module:
        asked[name, pretrained] = options["force_quick_gelu"]
        raise RuntimeError("no network\nat all")

    monkeypatch.setattr(open_clip, "create_model", create_model)
    for pair in ("ViT-B-32/openai", "ViT-B-32/laion2b_s34b_b79k"):
        with pytest.raises(
            UserError, match=r"open_clip could not load it .*no network at all"
        ) as error:
            load_clip(pair)
        assert "\n" not in str(error.value)
    assert asked == {("ViT-B-32", "openai"): True, ("ViT-B-32", "laion2b_s34b_b79k"): False}


def test_openais_names_are_loaded_from_the_weights_folder(state, clip, monkeypatch, tmp_path):
    path = jit_archive(state, tmp_path / "ViT-B-32.pt")
    monkeypatch.setitem(
        weights.OPENAI_WEIGHTS,
        "ViT-B/32",
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest()),
    )
    loaded = load_clip("ViT-B/32", cache_dir=tmp_path)
    assert loaded.name == "ViT-B/32" and loaded.fingerprint == clip.fingerprint


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rn50", "did you mean 'RN50'?"),
        ("ViT-B-16", "did you mean 'ViT-B/16'?"),
        (
            "ViT-B-32/laion",
            "is neither a file nor a tag of ViT-B-32; its tags are openai, laion400m_e31",
        ),
        ("nothing/like/this", "no such model or file"),
        ("none.pt", "no such weights file"),
    ],
)
def test_a_wrong_name_is_answered_with_the_remedy(name, reason):
    assert reason in refusal(name)


def test_weights_of_another_model_are_refused(state, tmp_path):
    assert "'visual.conv1.weight' is missing" in refusal({"fc.weight": torch.zeros(2, 2)})
    assert "visual.layer1" in refusal(
        {name: tensor for name, tensor in state.items() if name != "visual.proj"}
    )
    assert "ln_post.weight" in refusal(
        {name: tensor for name, tensor in state.items() if name != "visual.ln_post.weight"}
    )
    assert "tokenizer" in refusal(
        random_openai_state_dict(text_width=64, text_layers=1, vocab_size=1000)
    )
    assert "mine.json is missing" in refusal(_empty(tmp_path / "mine"))
    assert "unknown; use one of fp32, fp16, bf16, amp" in refusal(state, "fp8")


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def refusal(*args: object) -> str:
    with pytest.raises(UserError) as error:
        load_clip(*args)
    assert "\n" not in str(error.value)
    return str(error.value)
