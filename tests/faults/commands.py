"""The commands that are tried, each with what it needs and where it writes."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from PIL import Image

from tests.helpers.small_grid import grid_file
from tests.helpers.toy import arguments

if TYPE_CHECKING:
    from tests.faults.place import Place

# A data set whose archive and list a server gives; of the archive alone a checksum is known.
DATA_SET = '''
"""Squares of two colours."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.base import TaskDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class Squares(TaskDataset):
    """``squares/images/<class>/0.png``."""

    dataset_dir, image_dir, task_name = "squares", "images", "square image classification"
    sources = (
        Source("{url}/images.zip", "images.zip", md5="{md5}", unpack_to=".", gives="images"),
        Source("{url}/list.txt", "list.txt"),
        Source("{url}/more.zip", "more.zip", unpack_to="more", gives="more/0.bin"),
    )
'''
PER_CLASS = 10


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        words: its command line, of a place and a seed; the first word is that of ``softcpt``.
        prepare: puts into the place's target what the command changes there.
        workers: whether processes that it starts do the work.
    """

    words: Callable[[Place, str], list[str]]
    prepare: Callable[[Place], None] = lambda _: None
    workers: bool = False


def images(folder: Path) -> Path:
    """``folder``/<class>/<number>.png of two classes."""
    for label, colour in {"red": (200, 30, 30), "blue": (30, 30, 200)}.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(PER_CLASS):
            shade = np.full((32, 32, 3), colour, np.uint8) + np.uint8(number)
            Image.fromarray(shade).save(folder / label / f"{number}.png")
    return folder


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip file, the same each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def served(folder: Path) -> dict[str, bytes]:
    """What the server gives: ``folder`` with images in an archive, and more files."""
    found = sorted(path for path in folder.rglob("*.png"))
    noise = np.random.default_rng(0).bytes(3 << 20)
    return {
        "images.zip": zipped({f"images/{p.relative_to(folder)}": p.read_bytes() for p in found}),
        "more.zip": zipped({f"{number}.bin": noise for number in range(2)}),
        "list.txt": b"red\nblue\n",
    }


def _train(place: Place, seed: str, *more: str) -> list[str]:
    flags = ["--output-dir", str(place.out), "--seed", seed]
    return ["train", *arguments(place.folder, "CoOp", *flags, *more, "OPTIM.MAX_EPOCH", "2")]


def _draw(place: Place, _: str) -> list[str]:
    given = ["--images", str(place.target / "own"), "--output-dir", str(place.out)]
    words = arguments(place.folder, "ZeroshotCLIP", *given, "DATASET.NUM_SHOTS", "1")
    for flag in ("--root", "--dataset-config-file"):  # whose place --images takes
        del words[words.index(flag) : words.index(flag) + 2]
    return ["train", *words]


def _grid(place: Place, _: str) -> list[str]:
    words = ["--workers", "1", "OPTIM.MAX_EPOCH", "2"]
    return ["grid", str(_grid_file(place)), "--output", str(place.out), *words]


def _grid_file(place: Place) -> Path:
    # Made once: images that were written again are other images to a feature bank.
    file = place.folder / "grid/grid.yaml"
    return file if file.exists() else grid_file(file.parent, methods=["CoOp"])


def _transfer(place: Place, _: str) -> list[str]:
    study = {
        "methods": {"CoOp": {"of": "CoOp-MT"}},
        "data": "images/data.yaml",
        "config": "toy.yaml",
        "shots": 1,
        "seeds": [1],
        "readings": ["joint"],
        "output": str(place.out),
    }
    file = _grid_file(place).with_name("study.yaml")
    file.write_text(yaml.safe_dump(study))
    return ["transfer", str(file), "--workers", "1", "OPTIM.MAX_EPOCH", "1"]


def _get(place: Place, _: str) -> list[str]:
    return ["data", "get", "Squares", "--root", str(place.out), "--plugins", str(place.plugins)]


def _preview(place: Place, name: str) -> list[str]:
    return ["data", "preview", str(place.target / name), "-o", str(place.out / "sheet.png")]


def _copy(place: Place) -> None:
    shutil.copytree(place.images, place.target / "own")


def _archive(place: Place) -> None:
    place.target.mkdir(parents=True, exist_ok=True)
    (place.target / "own.zip").write_bytes(place.content["images.zip"])
    os.utime(place.target / "own.zip", (0, 0))  # which its folder in the cache is named for


COMMANDS = {
    "train": Command(_train),
    "bank": Command(lambda place, seed: _train(place, seed, "FEATURES.VIEWS", "1")),
    "draw": Command(_draw, _copy),
    "get": Command(_get),
    "preview": Command(lambda place, _: _preview(place, "own"), _copy),
    "archive": Command(lambda place, _: _preview(place, "own.zip"), _archive),
    "report": Command(lambda place, _: ["report", place.run("1"), "--to", str(place.out)]),
    "export": Command(
        lambda place, _: [
            *("export", place.run("1"), str(place.out / "a.safetensors"), "--to", "classifier")
        ]
    ),
    "onnx": Command(
        lambda place, _: ["export", place.run("1"), str(place.out / "a.onnx"), "--to", "onnx"]
    ),
    "publish": Command(lambda place, _: ["export", place.run("1"), str(place.out)]),
    "average": Command(
        lambda place, _: [
            *("average", place.run("1"), place.run("2"), "--output-dir", str(place.out))
        ]
    ),
    "predict": Command(
        lambda place, _: [
            *("predict", place.run("1"), str(place.images), "--task", "flower", "--workers", "0"),
            *("--format", "csv", "--output", str(place.out / "p.csv")),
        ]
    ),
    "grid": Command(_grid, workers=True),
    "transfer": Command(_transfer, workers=True),
}
