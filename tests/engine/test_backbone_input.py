"""Images of a run are as an open_clip model was trained on them."""

from __future__ import annotations

import open_clip
import pytest
import torch
from PIL import Image
from safetensors import safe_open

import softcpt
from softcpt.clip.published_preprocessing import of_name
from softcpt.engine import config
from softcpt.engine.backbone_input import build_input_transform, take_input_of_backbone
from tests.helpers.model_families import write_family
from tests.helpers.runs import run

SIZES = {"ViT-B-16-SigLIP-384/webli": 384, "ViT-B-32/laion2b_s34b_b79k": 224}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_family("SigLIP", tmp_path_factory.mktemp("models") / "siglip")


def configured(name: str, *pairs: str, named: bool = True):
    cfg = config.default_config()
    config.merge_pairs(cfg, ["MODEL.BACKBONE.NAME", name, *pairs])
    take_input_of_backbone(cfg, named, pairs[::2])
    return cfg


def test_the_command_line_names_a_model_and_its_images_with_it(folder, capsys):
    cfg = configured(str(folder), "INPUT.INTERPOLATION", "bilinear")
    assert (cfg.INPUT.SIZE, cfg.INPUT.RESIZE_MODE) == ((32, 32), "squash")
    assert cfg.INPUT.PIXEL_MEAN == [0.5] * 3 and cfg.INPUT.INTERPOLATION == "bilinear"
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"{folder} takes images so: INPUT.SIZE (32, 32), INPUT.RESIZE_MODE")
    assert (
        said[1] == f"{folder} was trained on other images than these: INPUT.INTERPOLATION bicubic"
    )


def test_a_configuration_file_says_of_images_what_it_wants(folder, capsys):
    cfg = configured(str(folder), named=False)
    assert cfg.INPUT == config.default_config().INPUT
    assert "was trained on other images than these: INPUT.SIZE (32, 32)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["RN50", "ViT-B/16", "hf.pt", "tiny"])
def test_other_models_change_nothing(name, capsys):
    assert configured(name).INPUT == config.default_config().INPUT
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", sorted(SIZES))
def test_published_weights_say_how_before_they_are_loaded(name):
    found = of_name(name)
    known = open_clip.get_pretrained_cfg(*name.split("/"))
    assert found is not None and found.size == SIZES[name]
    assert (found.mean, found.resize_mode) == (tuple(known["mean"]), known["resize_mode"])


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"model_cfg": {}}'])
def test_a_damaged_configuration_is_left_to_the_loader(tmp_path, text):
    (tmp_path / "open_clip_config.json").write_text(text)
    assert of_name(str(tmp_path)) is None


def test_test_images_are_squashed_as_the_model_squashes_them(folder):
    clip = softcpt.load_clip(folder, device="cpu")
    cfg = configured(str(folder), "INPUT.TRANSFORMS", "('random_flip', 'normalize')")
    picture = Image.effect_noise((48, 20), 80).convert("RGB")
    found = build_input_transform(cfg, is_train=False, quiet=True)(picture)
    assert torch.equal(found, clip.preprocess()(picture))
    assert clip.preprocess().transforms[1].size == (32, 32)


@pytest.mark.parametrize("trainer", ["CoOp", "TextGDAMT"])
def test_a_run_on_such_a_model_leaves_an_artefact_that_knows_it(folder, tmp_path, trainer):
    pairs = ["TRAINER.COOP.N_CTX", "1", "OPTIM.MAX_EPOCH", "1"]
    run(tmp_path, trainer, "--backbone", str(folder), *pairs)
    adapted = softcpt.load_prompt(tmp_path / "out")
    assert adapted.clip.name == "siglip"
    assert adapted.image_preprocessing == adapted.clip.preprocessing
    image = tmp_path / "data/test-0-0.png"
    [found] = adapted.predict([image], task="flower")
    logits = adapted.method(adapted.clip.preprocess()(Image.open(image))[None])
    assert found.label == ("rose", "tulip", "sunflower")[int(logits[0, :3].argmax())]
    adapted.export("open_clip", tmp_path / "classes.safetensors")
    with safe_open(tmp_path / "classes.safetensors", "pt") as file:
        model = file.metadata()["model"]
    place = (tmp_path / model.removeprefix("local-dir:")).resolve()
    assert model.startswith("local-dir:") and place == folder.resolve()
