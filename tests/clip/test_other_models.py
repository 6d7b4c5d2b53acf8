"""Loading models whose tokenizer, text tower or pre-processing is not CLIP's; and what is said of
those that cannot be loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from safetensors.torch import save_file
from transformers import AutoTokenizer

import softcpt
from softcpt.clip import text_files
from softcpt.errors import UserError
from softcpt.text.own_tokenizer import OwnTokenizer
from softcpt.text.prompts import prompt_symbols, texts_symbols
from tests.helpers.model_families import (
    byte_pairs,
    sentence_piece,
    word_piece,
    write_family,
)

TEXTS = ["", "cat", "A photo of a red cat.", "the dog in the flower", "xyz cat", "cat cat cat"]
KINDS = {
    "BERT": (word_piece, {}),
    "BERT without its end": (word_piece, {"strip_sep_token": True}),
    "RoBERTa": (byte_pairs, {}),
    "SigLIP": (lambda folder: sentence_piece(folder, pad="</s>"), {"clean": "canonicalize"}),
    "XLM-R": (lambda folder: sentence_piece(folder, "<s>"), {}),
    "a class token at the end": (word_piece, {"tokenizer_mode": "clips"}),
    "mT5": (sentence_piece, {}),
}


def tokenizer(kind: str, folder: Path, length: int = 16) -> tuple[OwnTokenizer, HFTokenizer]:
    """Ours over open_clip's, and open_clip's."""
    make, options = KINDS[kind]
    make(folder)
    whole = HFTokenizer(str(folder), context_length=length, **options)
    if options.get("tokenizer_mode"):
        whole.tokenizer.add_special_tokens({"bos_token": "[CLS]", "eos_token": "[SEP]"})
        whole.tokenizer.cls_token = "[UNK]"
    return OwnTokenizer(whole, length, kind), whole


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_tokenizer_put_together_again_gives_its_own_ids(kind, tmp_path):
    ours, whole = tokenizer(kind, tmp_path)
    for text in TEXTS:
        [symbols] = texts_symbols(ours, [text], ours.room)
        assert ours.padded(symbols) == whole(text)[0].tolist()
    for length in range(1, 40):  # what the tokenizer would cut is too long here
        text = " ".join(["cat"] * length)
        count = len(ours.start) + len(ours.encode(text)) + len(ours.end)
        if count <= ours.room:
            assert ours.padded(*texts_symbols(ours, [text], ours.room)) == whole(text)[0].tolist()
            continue
        with pytest.raises(UserError, match=f"{count} tokens, and the model takes {ours.room}"):
            texts_symbols(ours, [text], ours.room)
    assert set(ours.start) <= ours.special and ours.decode([ours.encode("cat")[0]]).endswith(" ")


def test_a_name_behind_a_context_has_the_ids_of_a_word_behind_others(tmp_path):
    ours, _ = tokenizer("RoBERTa", tmp_path)
    cat, word = ours.encode("a cat"), ours.encode("a")
    assert ours.encode("cat") != cat[1:] and ours.encode_behind("cat") == cat[1:]
    behind = prompt_symbols(ours, "cat", 2)
    assert behind == [*ours.start, -1, -2, *ours.encode("a cat.")[len(word) :], *ours.end]
    front = prompt_symbols(ours, "cat", 2, "front")
    assert front[1:4] == ours.encode("cat") and front[4:6] == [-1, -2]


def test_clips_tokenizer_with_another_cleaning_is_its_own(tmp_path):
    whole = SimpleTokenizer(clean="canonicalize")
    ours = OwnTokenizer(whole, 20, "mine")
    assert ours.encode("A photo, of a cat.") == whole.encode("a photo of a cat")
    assert (ours.start, ours.end, ours.pad) == ((49406,), (49407,), 0)


def test_a_tokenizer_of_another_form_is_refused():
    def backwards(texts, context_length):
        rows = open_clip.tokenize(texts, context_length)
        return rows.flip(1)

    with pytest.raises(UserError, match="mine: its tokenizer gives texts in a form that is not"):
        OwnTokenizer(backwards, 20, "mine")


@pytest.fixture(scope="module")
def siglip(tmp_path_factory) -> Path:
    return write_family("SigLIP", tmp_path_factory.mktemp("models") / "siglip")


@pytest.fixture(scope="module")
def biomed(tmp_path_factory) -> Path:
    return write_family("BiomedCLIP", tmp_path_factory.mktemp("models") / "biomed")


def without(folder: Path, other: Path, *patterns: str) -> Path:
    """A copy of a folder without some files."""
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns(*patterns))
    return other


def changed(folder: Path, other: Path, **text: object) -> Path:
    """A copy of a folder with other settings of the text tower."""
    without(folder, other)
    path = other / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["model_cfg"]["text_cfg"] |= text
    path.write_text(json.dumps(config))
    return other


def refusal(source: object, **options: object) -> str:
    with pytest.raises(UserError) as error:
        softcpt.load_clip(source, device="cpu", **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_needs_no_schema(siglip):
    by_schema, by_path = (softcpt.load_clip(f"{start}{siglip}") for start in ("local-dir:", ""))
    assert by_schema.fingerprint == by_path.fingerprint
    assert by_path.name == "siglip" and by_path.file == siglip


def test_another_tokenizer_is_another_model(siglip, tmp_path):
    other = without(siglip, tmp_path / "other", "tokenizer*")
    word_piece(other)
    assert softcpt.load_clip(other).fingerprint != softcpt.load_clip(siglip).fingerprint


def test_a_file_of_weights_has_the_tokenizer_beside_it_and_the_published_pre_processing(
    siglip, tmp_path, monkeypatch
):
    config = json.loads((siglip / "open_clip_config.json").read_text())["model_cfg"]
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-16-SigLIP", config)
    folder = without(siglip, tmp_path / "weights", "*.json")
    AutoTokenizer.from_pretrained(siglip).save_pretrained(folder)
    clip = softcpt.load_clip(f"ViT-B-16-SigLIP/{folder / 'open_clip_model.safetensors'}")
    assert clip.fingerprint == softcpt.load_clip(siglip).fingerprint
    found = clip.preprocessing
    assert (found.mean, found.resize_mode, found.interpolation) == ((0.5,) * 3, "squash", "bicubic")


def test_weights_whose_architecture_was_published_in_several_ways_are_processed_as_open_clip_does():
    assert softcpt.clip.published_preprocessing.of_file("ViT-H-14") == {}
    assert softcpt.clip.published_preprocessing.of_file("PE-Core-B-16")["resize_mode"] == "squash"


def test_a_missing_tokenizer_is_named_with_what_helps(siglip, biomed, tmp_path):
    for number, folder in enumerate((siglip, biomed)):
        bare = without(folder, tmp_path / str(number), "tokenizer*")
        said = refusal(bare, may_download=False)
        assert "its tokenizer there/tokenizer is not on this machine (" in said
        assert said.endswith(
            "put its files (tokenizer.json, tokenizer_config.json) beside the weights"
        )


def test_a_name_of_the_hub_is_looked_for_on_this_machine_alone_if_nothing_may_be_fetched(tmp_path):
    said = refusal("ViT-B-16-SigLIP/webli", cache_dir=tmp_path, may_download=False)
    assert "its tokenizer timm/ViT-B-16-SigLIP is not on this machine (OSError: " in said


def test_a_missing_text_configuration_is_named_with_what_helps(biomed, tmp_path):
    said = refusal(without(biomed, tmp_path / "bare", "text"), may_download=False)
    assert "the configuration of its text tower there/text is not on this machine" in said
    assert said.endswith("put its config.json into a folder text beside the weights")


@pytest.mark.parametrize("damage", ["{", '{"version": 3}', "[]"])
def test_a_damaged_tokenizer_is_named(siglip, tmp_path, damage):
    other = without(siglip, tmp_path / "other")
    (other / "tokenizer.json").write_text(damage)
    assert f"its tokenizer there/tokenizer in {other} cannot be read" in refusal(other)


def test_no_configuration_brings_code(siglip, biomed, tmp_path):
    asked = changed(siglip, tmp_path / "a", tokenizer_kwargs={"trust_remote_code": True})
    assert softcpt.load_clip(asked).context_length == 24
    other = without(biomed, tmp_path / "b")
    path = other / "text/config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    assert "its text tower there/text needs code of its own" in refusal(other)


def test_an_unknown_text_tower_is_named(biomed, tmp_path):
    other = without(biomed, tmp_path / "other")
    (other / "text/config.json").write_text('{"model_type": "gpt2"}')
    assert "is of the kind 'gpt2', and open_clip takes roberta, xlm-roberta" in refusal(other)


def test_a_vocabulary_without_a_tokenizer_is_refused(siglip, tmp_path):
    other = changed(siglip, tmp_path / "other", hf_tokenizer_name=None)
    assert "its configuration names no tokenizer" in refusal(other)


def test_transformers_is_asked_for_where_it_is_needed(siglip, monkeypatch):
    monkeypatch.setattr(text_files, "is_installed", lambda _: False)
    assert refusal(siglip).endswith(
        "its tokenizer, there/tokenizer, is read by transformers, which is not installed; "
        "pip install transformers"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["MobileCLIP2-S0", "PE-Core-T-16-384", "ViT-B-16-SigLIP", "ViT-B-16-SigLIP2-256"]
)
def test_full_size_architectures_have_open_clips_features(name, tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = open_clip.create_model(name).eval()
    save_file(theirs.state_dict(), tmp_path / "weights.safetensors")
    if "SigLIP" in name:
        sentence_piece(tmp_path, pad="</s>")
    clip = softcpt.load_clip(f"{name}/{tmp_path / 'weights.safetensors'}", device="cpu")
    x = torch.randn(1, 3, clip.image_size, clip.image_size)
    tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
    method = softcpt.build_method("CoOp", clip, tasks, ctx_init="a photo of a")
    ids = clip.tokenizer(
        [f"a photo of a {word}." for word in tasks.class_names], clip.context_length
    )
    with torch.no_grad():
        torch.testing.assert_close(
            method.class_embeddings(), theirs.encode_text(ids, normalize=True), atol=1e-4, rtol=0
        )
        torch.testing.assert_close(
            clip.encode_image(x), theirs.encode_image(x), atol=1e-4, rtol=1e-4
        )
    assert clip.exact == name.startswith("PE") and clip.preprocessing.size == clip.image_size
