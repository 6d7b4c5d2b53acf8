"""Renders emoji artwork on white: every openly licensed set of ``emoji.json``, fetched from npm.

    python tools/emoji_art.py                      # what there is
    python tools/emoji_art.py fxemoji --size 48    # one set on a contact sheet, fxemoji.png

Needs the command ``npm`` and the packages ``resvg-py`` and ``tqdm``. Packages are fetched by name
and exact version into a cache folder, and their SHA-512 is compared with the one in ``emoji.json``,
so every machine renders the same art.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from softcpt.errors import UserError
from softcpt.utils.files import atomic_write

INDEX = Path(__file__).with_name("emoji.json")
CACHE = Path("~/.cache/softcpt/npm").expanduser()
# Two icons of fxemoji lost something on the way into its package: one its place in the view box,
# one its colours, given here as those of its siblings tram and railwaycar.
FIXED = {
    "heartblue": {"left": 240, "top": -240, "width": 512, "height": 512},
    "tramcar": {
        "style": ".st0{fill:#575A5B}.st1{fill:#132028}.st2{fill:#132028}"
        ".st3{fill:#FF473E}.st4{fill:#F9F9F7}"
    },
}
FONT_FILE = "package/400Regular/NotoEmoji_400Regular.ttf"


def load_index(path: Path | None = None) -> dict[str, Any]:
    """The index of emoji and art sets.

    ``index["emoji"]``: code point(s) as hex, joined by ``-`` -> name, keywords, group, subgroup.
    ``index["sets"]``: set -> npm package, version, SHA-512, licence, kind, and ``icons``: code
    point -> the icon's name in that package. The names differ between sets, and some mislead: only
    this table maps them.
    """
    return json.loads(Path(path or INDEX).read_text(encoding="utf-8"))


def fetch(set_name: str, cache: Path | str = CACHE) -> Path:
    """The npm archive of a set, downloaded into ``cache`` unless it is there, and verified.

    Raises:
        UserError: the set is unknown, npm is missing or fails, or the archive is not the pinned
            one.
    """
    sets = load_index()["sets"]
    if set_name not in sets:
        raise UserError(
            f"emoji set {set_name!r}: not in {INDEX.name}; choose from {', '.join(sets)}"
        )
    entry = sets[set_name]
    package = f"{entry['npm']}@{entry['version']}"
    archive = Path(cache).expanduser() / (package.replace("/", "-").lstrip("@") + ".tgz")
    if not archive.exists():
        _download(package, archive)
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != entry["sha512"]:
        raise UserError(
            f"{archive}: is not {package} as published (SHA-512 differs); delete it and run again"
        )
    return archive


def _download(package: str, archive: Path) -> None:
    if shutil.which("npm") is None:
        raise UserError(
            f"{package}: the command npm is missing; install Node.js, or put the package at "
            f"{archive}"
        )
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", package]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        packed = list(Path(folder).glob("*.tgz"))
        if done.returncode or not packed:
            raise UserError(
                f"{package}: npm pack failed ({done.stderr.strip()[:200]}); check the network and "
                "run again"
            )
        with atomic_write(archive) as temporary:
            shutil.copyfile(packed[0], temporary)


def render(set_name: str, size: int, cache: Path | str = CACHE) -> dict[str, Image.Image]:
    """Every emoji of one set, as ``size`` x ``size`` RGB images on white, by code point and in the
    index's order.

    A set of 1,600 icons takes from one second (flat art) to ten (``fluent-emoji``, with its many
    gradients).

    Raises:
        UserError: as :func:`fetch`.
    """
    archive = fetch(set_name, cache)
    entry = load_index()["sets"][set_name]
    draw = {"iconify": _draw_iconify, "dir": _draw_files, "font": _draw_font}[entry["kind"]]
    with tarfile.open(archive) as package:
        drawn = draw(package, entry["icons"], size)
        return dict(
            tqdm(drawn, total=len(entry["icons"]), desc=set_name, unit="icon", file=sys.stderr)
        )


def _draw_iconify(
    package: tarfile.TarFile, icons: dict[str, str], size: int
) -> Iterator[tuple[str, Image.Image]]:
    import resvg_py  # here, so that tools that only read the index need no renderer

    data = json.load(package.extractfile("package/icons.json"))
    for code_point, name in icons.items():
        icon = data["icons"][name] | (FIXED.get(name, {}) if data["prefix"] == "fxemoji" else {})
        # Iconify's icons default to the set's width and height, a few have their own (watermelon in
        # twemoji).
        width, height = icon.get("width", data["width"]), icon.get("height", data["height"])
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" '
            'xmlns:xlink="http://www.w3.org/1999/xlink" color="black" '
            f'width="{size}" height="{size}" '
            f'viewBox="{icon.get("left", 0)} {icon.get("top", 0)} {width} {height}">'
            f"<style>{icon.get('style', '')}</style>{icon['body']}</svg>"
        )
        png = resvg_py.svg_to_bytes(svg_string=svg, background="#ffffff", skip_system_fonts=True)
        yield code_point, Image.open(io.BytesIO(png)).convert("RGB")


def _draw_files(
    package: tarfile.TarFile, icons: dict[str, str], size: int
) -> Iterator[tuple[str, Image.Image]]:
    # All at once, in the archive's order: reading out of order would unpack the archive again and
    # again.
    files = {
        member.name: package.extractfile(member).read() for member in package if member.isfile()
    }
    for code_point, name in icons.items():
        art = Image.open(io.BytesIO(files[f"package/assets/{name}"])).convert("RGBA")
        # Onto white before resizing: the colour of transparent pixels must not bleed into the
        # edges.
        white = Image.new("RGBA", art.size, "white")
        white.alpha_composite(art)
        yield code_point, white.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)


def _draw_font(
    package: tarfile.TarFile, icons: dict[str, str], size: int
) -> Iterator[tuple[str, Image.Image]]:
    scale = 4  # drawn large and reduced: hinting at 48 px eats thin strokes
    font_bytes = package.extractfile(FONT_FILE).read()
    font = ImageFont.truetype(
        io.BytesIO(font_bytes), round(size * scale * 0.8), layout_engine=ImageFont.Layout.BASIC
    )
    for code_point, character in icons.items():
        large = Image.new("RGB", (size * scale, size * scale), "white")
        left, top, right, bottom = font.getbbox(character)
        corner = ((large.width - left - right) / 2, (large.height - top - bottom) / 2)
        ImageDraw.Draw(large).text(corner, character, fill="black", font=font)
        yield code_point, large.resize((size, size), Image.Resampling.LANCZOS)


def contact_sheet(images: list[Image.Image], columns: int = 32) -> Image.Image:
    """All images on one white page, row by row, for looking at."""
    width, height = images[0].size
    page = Image.new("RGB", (columns * width, -(-len(images) // columns) * height), "white")
    for number, image in enumerate(images):
        page.paste(image, (number % columns * width, number // columns * height))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "set_name", nargs="?", help="the set to render; without it, the sets are listed"
    )
    parser.add_argument("--size", type=int, default=48, help="pixels per side")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder for the downloaded packages"
    )
    arguments = parser.parse_args()
    if arguments.set_name is None:
        for name, entry in load_index()["sets"].items():
            print(
                f"{name:28s}{len(entry['icons']):6d}  "
                f"{entry['licence']:26s}{entry['npm']}@{entry['version']}"
            )
        return
    images = render(arguments.set_name, arguments.size, arguments.cache)
    contact_sheet(list(images.values())).save(f"{arguments.set_name}.png")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
