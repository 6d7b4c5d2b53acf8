"""The drawn figure of the method: text as text, readable in light and dark, self-contained."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest

FIGURE = Path(__file__).resolve().parents[2] / "docs/figures/method.svg"
SVG = "{http://www.w3.org/2000/svg}"
STYLE = ElementTree.parse(FIGURE).getroot().findtext(f"{SVG}style")
READABLE = 4.5  # contrast of text, WCAG AA


def colours(style: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", style))


LIGHT, DARK = (colours(part) for part in STYLE.split("@media (prefers-color-scheme: dark)"))


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, by WCAG."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_both_schemes_have_all_colours():
    assert LIGHT and LIGHT.keys() == DARK.keys()
    assert set(re.findall(r"var\(--([\w-]+)\)", STYLE)) == LIGHT.keys()


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(scheme):
    grounds = ["paper", "frozen", "trained", "one-pale", "two-pale", "three-pale"]
    pairs = [*product(["ink"], grounds), ("soft", "paper")]
    assert not [pair for pair in pairs if contrast(*(scheme[name] for name in pair)) < READABLE]


def test_classes_are_defined_and_nothing_is_loaded():
    root = ElementTree.parse(FIGURE).getroot()
    used = {name for node in root.iter() for name in node.get("class", "").split()}
    assert used and used <= set(re.findall(r"\.([a-z][\w-]*)", STYLE))
    links = [value for node in root.iter() for key, value in node.items() if key.endswith("href")]
    assert all(link.startswith("#") for link in links)
    assert "url(http" not in STYLE and "@import" not in STYLE


def test_words_are_text_that_is_described():
    root = ElementTree.parse(FIGURE).getroot()
    words = " ".join("".join(node.itertext()) for node in root.iter(f"{SVG}text"))
    assert {"SoftCPT", "CoOp", "head", "cosine", "features"} <= set(words.split())
    described = root.findtext(f"{SVG}desc")
    assert all(word in described for word in ("SoftCPT", "CoOp", "head", "class matrix"))
