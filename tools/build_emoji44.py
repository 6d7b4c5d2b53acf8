"""Build the embedded benchmark Emoji-44: ``softcpt/assets/emoji44/emoji44.zip``.

    python tools/build_emoji44.py

A class is an emoji, a task a subgroup of Unicode's emoji list, an image the drawing of an emoji in
one design. Classes are the emoji that six independent colour designs draw, tasks the subgroups with
at least eight of them. Which design serves for training, validation and test, and why:
``softcpt/assets/emoji44/README.md``. The same packages give the same archive, byte for byte.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from emoji_art import CACHE, load_index, render
from PIL import Image

from softcpt.errors import UserError
from softcpt.utils.files import atomic_write

ARCHIVE = Path(__file__).resolve().parent.parent / "softcpt/assets/emoji44/emoji44.zip"
SIZE = 48  # pixels per side; enlarged to 128 as good as 224 drawn directly, at a tenth of the bytes
SMALLEST_TASK = 8
COMMON_TO = ("noto", "noto-v1", "twemoji", "fluent-emoji", "fxemoji", "emojione")
SPLITS = {
    "train": ("noto", "emojione", "noto-mono-font", "emojione-monotone"),
    "val": ("noto-v1",),
    "test": ("twemoji", "fxemoji"),
}
TASK_NAMES = {
    "face-smiling": "smiling faces",
    "face-concerned": "worried faces",
    "cat-face": "cat faces",
    "heart": "hearts",
    "emotion": "comic emotion symbols",
    "person": "people",
    "person-role": "people by role",
    "person-sport": "people doing sports",
    "animal-mammal": "mammals",
    "animal-bird": "birds",
    "animal-marine": "sea animals",
    "plant-flower": "flowers",
    "plant-other": "plants",
    "food-fruit": "fruits",
    "food-prepared": "prepared food",
    "food-asian": "asian food",
    "food-sweet": "sweets",
    "drink": "drinks",
    "place-geographic": "landscapes",
    "place-building": "buildings",
    "place-other": "places",
    "transport-ground": "ground transport",
    "time": "clocks and watches",
    "sky-weather": "sky and weather",
    "event": "celebrations",
    "sport": "sports equipment",
    "game": "games",
    "clothing": "clothing",
    "sound": "loudspeakers and bells",
    "music": "music",
    "computer": "computers and electronics",
    "light-video": "lights and video",
    "book-paper": "books and paper",
    "money": "money",
    "mail": "mail",
    "office": "office supplies",
    "transport-sign": "public information signs",
    "warning": "warning signs",
    "arrow": "arrows",
    "zodiac": "zodiac signs",
    "av-symbol": "media player buttons",
    "other-symbol": "marks and symbols",
    "alphanum": "letter and word buttons",
    "geometric": "geometric shapes",
}


def find_tasks(index: dict[str, Any]) -> dict[str, list[str]]:
    """Subgroup -> code points of its classes, both in Unicode's order."""
    common = set.intersection(*(set(index["sets"][design]["icons"]) for design in COMMON_TO))
    groups: dict[str, list[str]] = defaultdict(list)
    for code_point, emoji in index["emoji"].items():
        if code_point in common:
            groups[emoji["subgroup"]].append(code_point)
    return {name: members for name, members in groups.items() if len(members) >= SMALLEST_TASK}


def class_name(emoji_name: str) -> str:
    """An emoji's name as words of a prompt: lower case, plain apostrophes, no quotes, "person: x"
    as "person with x"."""
    plain = emoji_name.lower().replace("’", "'").replace("“", "").replace("”", "")
    return plain.replace(": ", " with ")


def describe(index: dict[str, Any]) -> dict[str, Any]:
    """The benchmark without its pixels, as ``emoji44.json`` in the archive says it: tasks, and the
    images of each split."""
    tasks = find_tasks(index)
    names = {
        code: class_name(index["emoji"][code]["name"])
        for members in tasks.values()
        for code in members
    }
    assert len(tasks) == 44 and len(names) == 687, (len(tasks), len(names))
    for members in tasks.values():
        assert len({names[code] for code in members}) == len(members), members
    images = {
        split: [
            [f"{design}/{code}.png", label, name]
            for label, (code, name) in enumerate(names.items())
            for design in designs
        ]
        for split, designs in SPLITS.items()
    }
    named = [
        {"name": TASK_NAMES[group], "classes": [names[code] for code in tasks[group]]}
        for group in tasks
    ]
    return {"tasks": named, "images": images}


def write_archive(path: Path, members: dict[str, bytes]) -> None:
    """A zip file that depends on its members alone: sorted, one fixed time, one fixed mode."""
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = (
                3,
                0o644 << 16,
            )  # as on Linux, wherever it is built
            stored = name.endswith(".png")  # deflated already
            archive.writestr(info, content, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)


def png(image: Image.Image) -> bytes:
    """The image as a small PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder for the downloaded packages"
    )
    parser.add_argument("--output", type=Path, default=ARCHIVE, help="the archive to write")
    arguments = parser.parse_args()
    benchmark = describe(load_index())
    drawn = {
        design: render(design, SIZE, arguments.cache)
        for designs in SPLITS.values()
        for design in designs
    }
    members = {"emoji44.json": json.dumps(benchmark, ensure_ascii=False, indent=1).encode()}
    # An archive that travels without this folder still names the artists.
    members["ATTRIBUTION.md"] = ARCHIVE.with_name("ATTRIBUTION.md").read_bytes()
    for path, _, _ in (image for images in benchmark["images"].values() for image in images):
        design, file_name = path.split("/")
        members[path] = png(drawn[design][file_name.removesuffix(".png")])
    write_archive(arguments.output, members)
    print(
        f"{arguments.output}: {len(members) - 2} images, "
        f"{arguments.output.stat().st_size / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
