"""A run on a table with a column per task: what is encoded, trained on, tested and kept."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from softcpt.features import bank
from tests.helpers.runs import run

COLOURS = {"red": (220, 40, 40), "green": (40, 220, 40), "blue": (40, 40, 220)}
CELLS = [("red", "1"), ("green", ""), ("", "2"), ("blue", "1"), ("red", "2"), ("green", "1")]
PARTS = {"train": CELLS * 2, "test": CELLS}


def draw(folder):
    """A table of colours and numbers; the number is the brightness of a half."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    rows = [["path", "split", "colour", "number"]]
    for part, cells in PARTS.items():
        for place, (colour, number) in enumerate(cells):
            pixels = generator.integers(0, 30, (32, 32, 3)) + np.array(
                COLOURS.get(colour, (90,) * 3)
            )
            pixels[16:] = 120 * int(number or 1)
            name = f"{part}{place}.png"
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / name)
            rows.append([name, part, colour, number])
    with open(folder / "table.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "table.csv"


@pytest.mark.parametrize("trainer", ["CoCoOp", "PLOT", "ProtoNet", "SoftCPT", "VPT"])
def test_every_image_is_encoded_once_and_counts_in_each_of_its_tasks(
    tmp_path, monkeypatch, trainer
):
    table, encoded = draw(tmp_path / "data"), []
    features = bank.FeatureBank.features

    def counted(self, paths, *args, **kwargs):
        encoded.append(list(paths))
        return features(self, paths, *args, **kwargs)

    monkeypatch.setattr(bank.FeatureBank, "features", counted)
    pairs = ("DATASET.NAME", "CSV", "DATASET.ROOT", str(table), "DATASET.ORDINAL", "['number']")
    result = run(tmp_path, trainer, *pairs, epochs=2)
    assert encoded and all(len(set(paths)) == len(paths) in (6, 12) for paths in encoded)
    name = result["method"]
    colours, numbers = result["tasks"][name]
    assert [colours["total"], numbers["total"]] == [5, 5] and numbers["mae"] <= 1
    found = np.load(tmp_path / "out" / "predictions.npz")
    assert found["path"].tolist().count("../test0.png") == 2 and len(found["path"]) == 10
    assert found["task"].tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    right = (found["top5"][:, :, :1] == found["label"]).any(axis=2)[
        list(found["methods"]).index(name)
    ]
    for task, figures in enumerate((colours, numbers)):
        assert right[found["task"] == task].sum() == figures["correct"]
    card = (tmp_path / "out" / "artefact" / "README.md").read_text()
    errors = [result["tasks"][method][1]["mae"] for method in result["tasks"]]
    assert f"| number | {' | '.join(f'{error:.4g}' for error in errors)} |" in card
