"""The files that SoftCPT's published code writes for General-10 and Plant-6 give the very same
images."""

from __future__ import annotations

import os

import pytest

from softcpt import plugins
from softcpt.errors import UserError
from tests.helpers.layouts import build, config
from tests.helpers.pickles import softcpt_pickle

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY  # noqa: E402

FLOWERS, SEEDLINGS = "kaggle_flower_recognition/flowers", "PlantSeedlingV1/Nonsegmented"
SEEN_FROM = "/home/someone/data"
FILE = "plant6/split_fewshot_mt/shot_2-seed_3.pkl"
PARTS = {
    "train": [
        (f"{SEEN_FROM}/{FLOWERS}/daisy/1_x_n.jpg", 0, 0),
        (f"D:/{SEEDLINGS}/Shepherd’s Purse/2.png", 3, 1),
    ],
    "val": [(f"D:/{SEEDLINGS}/Common wheat/3.png".replace("/", "\\"), 4, 1)],
    "test": [
        (f"{SEEN_FROM}/{FLOWERS}/rose/2_x_n.jpg", 2, 0),
        (f"D:/{SEEDLINGS}/Maize/1.png", 5, 1),
    ],
}
# As datasets/plant6.py of the published code has them.
META = {
    "taskid2cname": [
        ["daisy", "dandelion", "rose", "sunflower", "tulip"],
        [f"seedling {n}" for n in range(12)],
    ],
    "taskid2tname": ["flowers by hand", "seedlings by hand"],
    "taskid2desc": ["classify flowers", "classify seedlings"],
    "taskid2type": ["sl", "sl"],
    "taskid2metric": ["overall_acc", "overall_acc"],
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Plant-6 of its two smallest members."""
    build("KaggleFlower", tmp_path)
    build("PlantSeedlingV1", tmp_path)
    monkeypatch.setattr(
        DATASET_REGISTRY.get("Plant6"), "members", ("KaggleFlower", "PlantSeedlingV1")
    )
    return tmp_path


def plant6(root, *args, **kwargs):
    return DATASET_REGISTRY.get("Plant6")(config(root, *args, **kwargs))


def rows(root, items):
    return [
        (os.path.relpath(item.impath, root), item.domain, item.label, item.classname)
        for item in items
    ]


def test_the_images_of_all_tasks_are_those_of_the_file(root):
    softcpt_pickle(root / FILE, PARTS, **META)
    data = plant6(root, 2, 3)
    assert data.tasks.names == ("flowers by hand", "seedlings by hand") and data.tasks.sizes == (
        5,
        12,
    )
    assert rows(root, data.train_x) == [
        (f"{FLOWERS}/daisy/1_x_n.jpg", 0, 0, "daisy"),
        (f"{SEEDLINGS}/Shepherd’s Purse/2.png", 1, 8, "seedling 3"),
    ]
    assert rows(root, data.val) == [(f"{SEEDLINGS}/Common wheat/3.png", 1, 9, "seedling 4")]
    assert [row[2] for row in rows(root, data.test)] == [2, 10]
    assert not list(root.glob("*/split_*.json")), "nothing is drawn beside it"
    assert plant6(root, 2, 3, SUBSAMPLE_CLASSES="base").tasks.sizes == (3, 6)


def test_it_counts_for_its_shots_seed_and_list_of_tasks_alone(root):
    softcpt_pickle(root / FILE, PARTS, **META)
    for shots, seed in ((1, 3), (2, 1), (-1, 3)):
        assert len(plant6(root, shots, seed, DRAW_SPLIT=True).test) == 17
    assert len(plant6(root, 2, 3, TASKS=("PlantSeedlingV1", "KaggleFlower")).test) == 17


WRONG = {
    "1.jpg is in no folder kaggle_flower_recognition/flowers of data set KaggleFlower": {
        "train": [("/1.jpg", 0, 0)]
    },
    "'../../1.jpg' leads out of the data set": {"val": [(f"/{FLOWERS}/../../1.jpg", 0, 0)]},
    "not a list of images (it has no class 5 of task 0)": {"test": [(f"/{FLOWERS}/1.jpg", 5, 0)]},
    "not a list of images (it has no class 0 of task -1)": {"test": [(f"/{FLOWERS}/1.jpg", 0, -1)]},
    "not a list of images (a name in it is no text)": {"train": [(7, 0, 0)]},
    "not a list of images ('taskid2cname')": {"taskid2cname": None},
    "3 tasks, and 2 data sets are merged": {"taskid2cname": [*META["taskid2cname"], []]},
}


@pytest.mark.parametrize("message", WRONG)
def test_a_file_that_does_not_fit_is_one_clear_line(root, message):
    content = {**PARTS, **META, **WRONG[message]}
    meta = {key: content[key] for key in META if content[key] is not None}
    softcpt_pickle(root / FILE, {part: content[part] for part in PARTS}, **meta)
    with pytest.raises(UserError) as error:
        plant6(root, 2, 3)
    assert (
        message in str(error.value)
        and str(root / FILE) in str(error.value)
        and "\n" not in str(error.value)
    )
