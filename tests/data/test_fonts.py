"""Fonts for class names in any script."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from softcpt.data import fonts

matplotlib = pytest.importorskip("matplotlib")
DEJAVU = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"  # has é and я, no 犬


@pytest.fixture
def system(monkeypatch, tmp_path):
    """A system with one font, and with a file that is none."""
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    monkeypatch.setattr(fonts, "_candidates", lambda _: iter([str(broken), DEJAVU]))
    fonts._file_with.cache_clear()
    yield
    fonts._file_with.cache_clear()


@pytest.mark.parametrize(
    ("text", "own"), [("1 red rose", True), ("été", False), ("собака я", False), ("犬", True)]
)
def test_a_text_has_a_font_with_its_letters(system, text, own):
    font = fonts.font_for(text, 13)
    path = DEJAVU if not own else ImageFont.load_default(size=13).path
    assert font.size == 13 and (own or font.path == path)
    if not own:
        drawn = [np.array(font.getmask(letter)).tobytes() for letter in text if letter != " "]
        assert bytes(font.getmask("\uffff")) not in drawn


def test_plain_fonts_come_first():
    files = ["/f/DejaVuSans-ExtraLight.ttf", "/f/DejaVuSerif.ttf", "/f/Carlito.ttf", "/f/Sans.ttf"]
    assert fonts._plain_first(files)[:2] == ["/f/Sans.ttf", "/f/Carlito.ttf"]
