"""A data set file written for CoOp's code runs here: what it calls on CoOp's classes is there."""

from __future__ import annotations

import json
import os
import pickle
import pickletools
import random

import pytest

from softcpt import plugins
from softcpt.data.datum import Datum
from softcpt.data.published_draws import read_pickle
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


def test_few_shot_files_of_such_a_data_set_hold_dassls_own_records(tmp_path):
    images = [f"{name}/{number}.jpg" for name in "ab" for number in range(10)]
    write(tmp_path / "theirs", images)
    random.seed(0)
    train, val, _ = DTD.read_and_split_data(tmp_path / "theirs")
    content = pickle.dumps({"train": train, "val": val}, pickle.HIGHEST_PROTOCOL)
    words = [word for _, word, _ in pickletools.genops(content) if isinstance(word, str)]
    assert words[words.index("Datum") - 1] == "dassl.data.datasets.base_dataset"
    assert not [word for word in words if word.startswith("softcpt")]

    path = tmp_path / "shot_1-seed_1.pkl"
    path.write_bytes(content)
    assert read_pickle(path) == {
        "train": [item.impath for item in train],
        "val": [item.impath for item in val],
    }
    first = pickle.loads(content)["train"][0]  # as CoOp's code reads it
    assert type(first) is Datum
    assert (first.impath, first.label, first.domain, first.classname) == (
        train[0].impath,
        0,
        0,
        "a",
    )


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
