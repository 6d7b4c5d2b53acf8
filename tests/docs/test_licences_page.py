"""docs/licences.md has every requirement and every data set."""

from __future__ import annotations

import re
from pathlib import Path

from softcpt.data.catalog import catalogue, is_published
from tests.packaging.test_metadata import PROJECT, name_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/licences.md").read_text(encoding="utf-8")


def rows(title: str) -> list[tuple[str, str]]:
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)[2:]  # below the head


def test_it_names_every_requirement():
    named = [name_of(name) for name, _ in rows("What it needs")]
    assert named == [name_of(line) for line in PROJECT["dependencies"]]


def test_it_states_the_licence_of_every_data_set():
    stated = {name: terms for terms, names in rows("Data sets") for name in names.split(", ")}
    kinds = {name: kind for name, kind in catalogue().items() if is_published(kind)}
    known = {name: kind.licence for name, kind in kinds.items() if getattr(kind, "licence", None)}
    assert {name: stated.get(name) for name in known} == known


def test_the_texts_that_it_names_are_there():
    for path in re.findall(r"`(softcpt/assets/[\w./-]+)`", PAGE):
        assert (ROOT / path).exists()
