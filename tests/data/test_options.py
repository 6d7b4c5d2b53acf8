"""Data sets take keywords as well as Dassl's configuration, and both mean the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from yacs.config import CfgNode

from softcpt import plugins
from softcpt.data.base import TaskDataset
from softcpt.data.options import DataOptions
from softcpt.errors import UserError
from tests.helpers.layouts import build, config, write

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY  # noqa: E402

from datasets.oxford_pets import OxfordPets  # noqa: E402


def records(data):
    return [
        [(item.impath, item.label, item.domain, item.classname) for item in part]
        for part in (data.train_x, data.val, data.test)
    ]


@pytest.mark.parametrize(
    ("name", "options", "keys"),
    [
        ("RSSCN7", {"draw_split": True, "classes": "base"}, {"SUBSAMPLE_CLASSES": "base"}),
        ("EuroSAT", {"template": "{}!", "metrics": ["eurosat=mean_per_class"]}, None),
        (
            "MultiTask",
            {"members": ["RSSCN7", "EuroSAT"], "task_names": ["", "things"], "tasks": "task1"},
            {"TASKS": ("RSSCN7", "EuroSAT"), "TASK_NAMES": ("", "things")},
        ),
        ("Emoji44", {"tasks": "task3,task5", "classes": "new"}, None),
    ],
)
def test_keywords_mean_what_the_keys_of_the_configuration_mean(tmp_path, name, options, keys):
    for member in ("RSSCN7", "EuroSAT"):
        build(member, tmp_path)
    upper = {
        "draw_split": "DRAW_SPLIT",
        "classes": "SUBSAMPLE_CLASSES",
        "template": "TEMPLATE",
        "metrics": "METRICS",
        "tasks": "SUBSAMPLE_TASKS",
    }
    options = {"draw_split": True, **options}
    known = {upper[key]: value for key, value in options.items() if key in upper}
    kind = DATASET_REGISTRY.get(name)
    by_cfg = kind(config(tmp_path, 2, 3, **{**known, **(keys or {})}))
    by_keywords = kind(root=tmp_path, shots=2, seed=3, **options)
    assert records(by_keywords) == records(by_cfg)
    assert list(by_keywords.tasks) == list(by_cfg.tasks)
    assert records(kind(str(tmp_path), shots=2, seed=3, **options)) == records(by_cfg)


def test_a_wrong_keyword_is_named_with_the_nearest():
    with pytest.raises(UserError, match=r"^OxfordPets: no option 'shot'; did you mean 'shots'\?"):
        OxfordPets(root="data", shot=4)
    with pytest.raises(UserError, match=r"no option 'tree'"):
        OxfordPets(root="data", tree=4)
    with pytest.raises(UserError, match=r"classes='basee': unknown; give one of all, base, new"):
        OxfordPets(root="data", classes="basee")
    with pytest.raises(UserError, match=r"shots='4': no whole number"):
        OxfordPets(root="data", shots="4")


def test_a_configuration_of_other_code_may_lack_our_keys(tmp_path):
    build("RSSCN7", tmp_path)
    cfg = CfgNode({"SEED": 2, "DATASET": {"ROOT": str(tmp_path), "NUM_SHOTS": 1}})
    kind = DATASET_REGISTRY.get("RSSCN7")
    kind(root=tmp_path, draw_split=True)
    assert records(kind(cfg)) == records(kind(root=tmp_path, shots=1, seed=2))
    assert DataOptions.from_cfg(cfg).on_missing == "stop"


def test_files_that_read_keys_of_their_own_find_them(tmp_path):
    class Mine(TaskDataset):
        dataset_dir = "mine"

        def pools(self, folder, images):
            assert str(tmp_path) == self.cfg.DATASET.ROOT and self.cfg.SEED == 3
            assert self.option("MY_KEY", "default") == expected
            assert self.option("NUM_SHOTS", 0) == 1
            return super().pools(folder, images)

    write(tmp_path / "mine", (f"{name}/{number}.jpg" for name in "ab" for number in range(4)))
    expected = "default"
    Mine(root=tmp_path, shots=1, seed=3, draw_split=True)
    (tmp_path / "mine/split_drawn_Mine.json").unlink()
    expected = "given"
    Mine(config(tmp_path, 1, 3, DRAW_SPLIT=True, MY_KEY="given"))


@pytest.mark.parametrize("name", ["RSSCN7", "ImageFolder"])
def test_a_split_file_can_be_given(tmp_path, name):
    images = [f"{label}/{number}.jpg" for label in ("oak", "elm") for number in range(3)]
    write(tmp_path / "RSSCN7", images)
    split = {
        part: [[f"{label}/{number}.jpg", index, label] for index, label in enumerate(labels)]
        for part, number, labels in (
            ("train", 1, ("oak", "elm")),
            ("val", 0, ("oak",)),
            ("test", 2, ("oak", "elm")),
        )
    }
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(split))
    folder = tmp_path / "RSSCN7"
    data = DATASET_REGISTRY.get(name)(
        root=folder if name == "ImageFolder" else tmp_path, split=mine, shots=1
    )
    names = [Path(item.impath).name for item in data.train_x + data.val + data.test]
    assert names == ["1.jpg", "1.jpg", "0.jpg", "2.jpg", "2.jpg"]
    assert data.tasks[0].class_names == ("oak", "elm")
    kept = list(tmp_path.rglob("shot_1-seed_1.json"))
    assert [path.parent.name for path in kept] == ["mine"], "apart from draws of its own split"
