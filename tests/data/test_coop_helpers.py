"""A data set file written for CoOp's code runs here: what it calls on CoOp's classes is there."""

from __future__ import annotations

import json
import os
import random

import pytest

from softcpt import plugins
from tests.helpers.layouts import build, config, write

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase  # noqa: E402

PETS, DTD = DATASET_REGISTRY.get("OxfordPets"), DATASET_REGISTRY.get("DescribableTextures")


class Theirs(DatasetBase):
    """As such files are: listed and divided once, drawn, halved."""

    def __init__(self, cfg):
        folder = os.path.join(cfg.DATASET.ROOT, "theirs")
        split = os.path.join(folder, "split_me.json")
        if not os.path.exists(split):
            parts = DTD.read_and_split_data(folder, ignored=["junk"], new_cnames={"b c": "bc"})
            PETS.save_split(*parts, split, folder)
        train, val, test = PETS.read_split(split, folder)
        train = self.generate_fewshot_dataset(train, num_shots=1)
        train, val, test = PETS.subsample_classes(
            train, val, test, subsample=cfg.DATASET.SUBSAMPLE_CLASSES
        )
        super().__init__(train_x=train, val=val, test=test)


@pytest.mark.parametrize(
    "which, names", [("all", ["a", "bc", "d"]), ("base", ["a", "bc"]), ("new", ["d"])]
)
def test_a_data_set_of_coops_code_is_read_divided_drawn_and_halved(tmp_path, which, names):
    write(
        tmp_path / "theirs",
        [f"{name}/{number}.jpg" for name in ("a", "b c", "d", "junk") for number in range(10)],
    )
    random.seed(0)
    data = Theirs(config(tmp_path, SUBSAMPLE_CLASSES=which))
    assert (
        data.classnames == names
        and len(data.train_x) == len(names)
        and len(data.val) == 2 * len(names)
    )
    assert {item.label for item in data.test} == set(range(len(names)))
    rows = json.loads((tmp_path / "theirs/split_me.json").read_text())
    assert [len(rows[part]) for part in ("train", "val", "test")] == [15, 6, 9] and rows["train"][
        0
    ][0].startswith("a/")


def test_a_training_list_is_divided_class_by_class_with_the_global_generator(tmp_path):
    build("RSSCN7", tmp_path)
    items = DATASET_REGISTRY.get("RSSCN7")(config(tmp_path, DRAW_SPLIT=True)).train_x * 5
    random.seed(3)
    train, val = PETS.split_trainval(items)
    assert (
        len(val) == 7 * 2 and len(train) == 7 * 8 and {item.label for item in val} == set(range(7))
    )
    random.seed(3)
    assert PETS.split_trainval(items)[1] == val
    assert len(PETS.split_trainval(items, p_val=0.5)[1]) == 7 * 5
