"""A grid that takes seconds: two tasks of generated images, and a tiny random CLIP."""

from __future__ import annotations

import csv
import json
import os
import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from tests.helpers.runs import softcpt_command
from tests.helpers.toy import CONFIG, WEIGHTS

CLASSES = {"flowers": ["red rose", "tulip", "daisy"], "trees": ["oak", "elm"]}
PARTS = {"train": 3, "val": 1, "test": 4}  # enough test images for a loader process


def data(folder: Path) -> Path:
    """A table of images (docs/add-a-task.md), and the data set's configuration file."""
    folder.mkdir(parents=True, exist_ok=True)
    generator, rows = np.random.default_rng(0), []
    for task, classes in CLASSES.items():
        for name in classes:
            colour = generator.integers(0, 226, 3)
            for part, count in PARTS.items():
                for number in range(count):
                    path = folder / f"{name}-{part}-{number}.png"
                    pixels = colour + generator.integers(0, 30, (32, 32, 3))
                    Image.fromarray(pixels.astype(np.uint8)).save(path)
                    rows.append([path.name, name, part, task])
    with open(folder / "images.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "split", "task"], *rows])
    path = folder / "data.yaml"
    path.write_text(
        yaml.safe_dump({"DATASET": {"NAME": "CSV", "ROOT": str(folder / "images.csv")}})
    )
    return path


def grid_file(folder: Path, **keys: Any) -> Path:
    """A grid file of CoOp and SoftCPT on one shot with seed 1, but for ``keys``; its output is
    ``folder``/out."""
    data(folder / "images")
    tree = yaml.safe_load(CONFIG) | {
        "MODEL": {"BACKBONE": {"NAME": str(WEIGHTS)}},
        "FEATURES": {"VIEWS": 1},
    }
    (folder / "toy.yaml").write_text(yaml.safe_dump(tree))
    tree = {
        "methods": ["CoOp", "SoftCPT"],
        "data": {"plants": {"of": "images/data.yaml"}},
        "config": "toy.yaml",
        "shots": [1],
        "seeds": [1],
        "output": str(folder / "out"),
    }
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(tree | keys, sort_keys=False))
    return path


grid = partial(softcpt_command, "grid")


class Background(threading.Thread):
    """``softcpt grid`` while the test goes on."""

    def __init__(self, *words: Any) -> None:
        super().__init__(daemon=True)
        self.words, self.code = words, -1
        self.start()

    def run(self) -> None:
        self.code = grid(*self.words)

    def status(self) -> int:
        """Wait for its end; returns the exit status."""
        self.join()
        return self.code


def folder_of(folder: Path, method: str, shots: int = 1, seed: int = 1) -> Path:
    """A job's folder."""
    return folder / "out" / "CSV" / method / f"toy_{shots}shots" / f"seed{seed}"


def note(folder: Path) -> dict[str, Any]:
    """A job's job.json."""
    return json.loads((folder / "job.json").read_text())


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
