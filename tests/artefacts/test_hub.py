"""Artefacts go to a hub and come back; what fails is said in one line."""

from __future__ import annotations

import json
import sys

import huggingface_hub
import pytest
import torch

import softcpt
from softcpt.testing.random_clip import random_openai_state_dict
from tests.helpers.adapted import adapted, pictures
from tests.helpers.hub import commit_of, hub_server
from tests.helpers.runs import softcpt_command


@pytest.fixture
def server(tmp_path, monkeypatch):
    with hub_server(monkeypatch, tmp_path / "cache") as running:
        yield running


def test_what_is_pushed_comes_back(clip, server):
    q = adapted("CoOp", clip)
    page = q.push_to_hub("me/fruit", private=True, message="first")
    assert page == f"{server.url}/me/fruit"
    assert server.private == {"me/fruit"} and server.messages == ["first"]
    assert sorted(server.repositories["me/fruit"][-1]) == [
        "README.md",
        "config.json",
        "prompt.safetensors",
    ]
    again = softcpt.load_prompt("hf:me/fruit", clip=clip)
    images = pictures(clip, 2)
    with torch.no_grad():
        assert torch.allclose(again.method(images), q.method(images), atol=1e-4)


def test_a_revision_is_found(clip, server):
    adapted("CoOp", clip).push_to_hub("me/fruit")
    adapted("ZeroShot", clip).push_to_hub("hf:me/fruit")
    assert softcpt.load_prompt("hf:me/fruit", clip=clip).method_name == "ZeroShot"
    first = softcpt.load_prompt(f"hf:me/fruit@{commit_of(1)}", clip=clip)
    assert first.method_name == "CoOp"


def test_a_folder_is_pushed_without_the_paths_of_its_machine(tmp_path, server):
    weights = tmp_path / "weights.pt"
    torch.save(random_openai_state_dict(text_layers=1), weights)
    q = adapted("CoOp", softcpt.load_clip(weights))
    q.save(tmp_path / "artefact")
    (tmp_path / "artefact" / "notes.txt").write_text("private")
    assert softcpt_command("push", tmp_path / "artefact", "me/fruit") == 0
    files = server.repositories["me/fruit"][-1]
    assert "notes.txt" not in files
    assert json.loads(files["config.json"])["backbone"]["file"] == "weights.pt"
    assert str(tmp_path).encode() not in b"".join(files.values())
    kept = json.loads((tmp_path / "artefact" / "config.json").read_text())
    assert kept["backbone"]["file"] == "../weights.pt"
    again = softcpt.load_prompt("hf:me/fruit", clip=weights)
    assert again.tasks.names == q.tasks.names


def test_pull_writes_a_folder(clip, tmp_path, server, capsys):
    adapted("CoOp", clip).push_to_hub("me/fruit")
    assert softcpt_command("pull", "hf:me/fruit", tmp_path / "here") == 0
    assert capsys.readouterr().out == f"saved {tmp_path / 'here'}\n"
    assert softcpt.load_prompt(tmp_path / "here", clip=clip).method_name == "CoOp"


def test_what_fails_is_said_in_one_line(clip, tmp_path, server, monkeypatch):
    q = adapted("CoOp", clip)
    server.repositories["me/other"] = [{"README.md": b"something else"}]
    q.push_to_hub("me/fruit")
    cases = {
        "hf:me/none": "hf:me/none: cannot be downloaded .*404.*; check the name; a private one",
        "hf:me/fruit@nix": "hf:me/fruit@nix: cannot be downloaded .*; check the name",
        "hf:me/other": "hf:me/other: there is no config.json in that repository",
        "hf:me/a/b": "hf:me/a/b: cannot be downloaded .*; check name",
    }
    for name, message in cases.items():
        with pytest.raises(softcpt.UserError, match=message) as error:
            softcpt.load_prompt(name, clip=clip)
        assert "\n" not in str(error.value)
    monkeypatch.setenv("HF_TOKEN", "of nobody")
    with pytest.raises(softcpt.UserError, match="cannot be uploaded .*401.*; log in with `hf auth"):
        q.push_to_hub("me/mine")
    (tmp_path / "empty").mkdir()
    with pytest.raises(softcpt.UserError, match="empty: it has no config.json"):
        softcpt.push_to_hub(tmp_path / "empty", "me/mine")
    assert "me/mine" not in server.repositories


def test_the_library_is_named_where_it_is_missing(monkeypatch, clip):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(softcpt.UserError, match="pip install huggingface-hub"):
        softcpt.load_prompt("hf:me/fruit", clip=clip)


def test_the_hub_reads_the_card(clip, tmp_path, monkeypatch):
    q = adapted("SoftCPT", clip)
    measured = {"test": {"overall": {"SoftCPT": {"overall_metric": 62.5}}, "tasks": {}}}
    measured["test"]["tasks"]["SoftCPT"] = [
        {"name": "kinds of fruit", "metric": 75.0, "total": 8},
        {"name": "road signs", "metric": 50.004, "total": 6},
    ]
    record = softcpt.Record(measured=measured, data={"name": "Fruit and Signs"})
    monkeypatch.setattr(clip, "name", "ViT-B/16")
    softcpt.AdaptedClip(q.method, "SoftCPT-NATS", record).save(tmp_path / "other")
    softcpt.AdaptedClip(q.method, "SoftCPT", record).save(tmp_path / "artefact")
    card = huggingface_hub.ModelCard.load(tmp_path / "artefact" / "README.md")
    assert card.data.library_name == "softcpt"
    assert card.data.pipeline_tag == "zero-shot-image-classification"
    assert card.data.base_model == "openai/clip-vit-base-patch16"
    assert "arxiv:2208.13474" in card.data.tags
    assert "https://arxiv.org/abs/2208.13474" in card.text
    found = {(r.task_name, r.dataset_split, r.metric_value) for r in card.data.eval_results}
    assert found == {("kinds of fruit", "test", 75.0), ("road signs", "test", 50.0)}
    assert {r.dataset_type for r in card.data.eval_results} == {"fruit-and-signs"}
