"""docs/models.md says of every family what its prompts go through, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import open_clip

from tests.helpers.model_families import FAMILIES

PAGE = (Path(__file__).resolve().parents[2] / "docs/models.md").read_text(encoding="utf-8")


def test_every_family_of_the_tests_has_its_row():
    engine = "(the exact engine|the plain tower)"
    rows = re.findall(rf"^\| ([^|]+) \|[^|]+\|[^|]+\| {engine} \|", PAGE, re.MULTILINE)
    found = {name: through == "the exact engine" for name, through in rows}
    assert found.pop("CLIP, DFN, MetaCLIP, EVA, ViTamin")
    assert found == {name: exact for name, (_, _, _, exact) in FAMILIES.items()}


def test_models_that_the_page_names_are_open_clips():
    named = re.findall(r"(?:--backbone |load_clip\(\")([\w-]+)/", PAGE)
    assert named and {*named} <= {*open_clip.list_models()}
    assert f"3.3 has {len(open_clip.list_models())} architectures" in PAGE
