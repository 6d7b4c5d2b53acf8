"""Every method has its papers, every backbone with a repository its name there."""

from __future__ import annotations

import re

import pytest

from softcpt.artefacts.card_front import PAPERS, front_matter, hub_repository, papers_of
from softcpt.prompters import OWN


def test_every_method_has_its_papers():
    without = {name for name in OWN if not papers_of(name)}  # whatever other tests registered
    assert without == {"MeansText", "TextGDA", "TextGDA-MT"}  # of this project
    assert all(re.fullmatch(r"\d{4}\.\d{5}", n) for numbers in PAPERS.values() for n in numbers)
    assert papers_of("SoftCPT-CSTS") == papers_of("SoftCPT-Star") == papers_of("SoftCPT")
    assert papers_of("CoOp-MT") == papers_of("CoOp") and papers_of("MyMethod") == ()


@pytest.mark.parametrize(
    "backbone, repository",
    [
        ("ViT-L/14", "openai/clip-vit-large-patch14"),
        ("RN50", "timm/resnet50_clip.openai"),
        ("ViT-B-32/laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("hf-hub:me/clip", "me/clip"),
        ("tiny", ""),
        ("my_clip.pt", ""),
    ],
)
def test_repositories_of_backbones(backbone, repository):
    assert hub_repository(backbone) == repository


def test_a_card_without_figures_has_no_index():
    config = {"method": "MyMethod", "backbone": {"name": "tiny"}, "measured": {}}
    front = front_matter(config)
    assert "model-index" not in front and "base_model" not in front
    assert front["tags"] == ["clip", "few-shot", "prompt-tuning", "softcpt"]
