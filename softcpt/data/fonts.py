"""Chooses a font for a text by the letters that it has: Pillow's own, or one of this system."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterator, Sequence

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# In names of fonts that a short label is not set in.
_ODD = (
    "bold",
    "italic",
    "oblique",
    "mono",
    "serif",
    "condensed",
    "narrow",
    "light",
    "thin",
    "black",
)
_NO_CHARACTER = "\uffff"  # no font has it: drawn as what stands for any letter that is not there


def font_for(text: str, size: int) -> Font:
    """Pillow's own font if it has every letter of ``text``, else the first of this system that has
    them; Pillow's own where none does.

    Args:
        text: what is to be drawn.
        size: of the letters, in pixels.
    """
    letters = "".join(sorted({letter for letter in text if not letter.isspace()}))
    own = ImageFont.load_default(size=size)
    if _has(own, letters):
        return own
    file = _file_with(letters)
    return ImageFont.truetype(file, size) if file else own


def _has(font: Font, letters: str) -> bool:
    none = bytes(font.getmask(_NO_CHARACTER))
    return all(bytes(font.getmask(letter)) != none for letter in letters)


@functools.lru_cache(maxsize=1000)
def _file_with(letters: str) -> str:
    """A font file that has ``letters``; "": there is none."""
    for file in _candidates(letters):
        try:
            font = ImageFont.truetype(file, 13)
        except OSError:  # a kind of font that FreeType cannot draw
            continue
        if _has(font, letters):
            return file
    return ""


def _candidates(letters: str) -> Iterator[str]:
    """Font files that may have ``letters``, plain sans-serif ones first."""
    if shutil.which("fc-list"):
        codes = " ".join(f"{ord(letter):x}" for letter in letters)
        command = ["fc-list", "--format", "%{file}\n", f":charset={codes}"]
        listed = subprocess.run(command, capture_output=True, text=True, check=False)
        yield from _plain_first(listed.stdout.splitlines())
    else:
        yield from _plain_first(_all_files())


@functools.cache
def _all_files() -> tuple[str, ...]:
    """Those of this system, where matplotlib, which finds them, is installed."""
    try:
        from matplotlib.font_manager import findSystemFonts
    except ImportError:
        return ()
    return tuple(findSystemFonts())


def _plain_first(files: Sequence[str]) -> list[str]:
    def order(file: str) -> tuple[int, str]:
        name = file.lower()
        return sum(word in name for word in _ODD) - ("sans" in name), file

    return sorted(files, key=order)
