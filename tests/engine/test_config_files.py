"""Configuration files: those that would say nothing of their own need not be there."""

from __future__ import annotations

import pytest

from softcpt import plugins
from softcpt.data.dataset_names import config_names
from softcpt.engine import config, config_keys
from softcpt.engine.config_files import (
    dataset_config,
    read_config,
    trainer_config,
)
from softcpt.errors import UserError

CONFIGS = plugins.folder("configs")
TRAINERS = ["CoOp", "CoOpMT", "CoCoOp", "KgCoOp", "PLOT", "SoftCPT", "ZeroshotCLIP", "LinearProbe"]
# Names that data sets have had in configs/datasets, where their modules' names would not do.
NAMES = {
    "dtd": "DescribableTextures",
    "elevater12": "Elevater12",
    "elevater20": "Elevater20",
    "emoji44": "Emoji44",
    "fashion20": "Fashion20",
    "imagenetv2": "ImageNetV2",
    "kitti_distance": "KITTIDistance",
    "oxford_pets": "OxfordPets",
    "plant_seedling": "PlantSeedlingV1",
    "voc2007": "VOC2007",
}


def merged(*paths) -> dict:
    cfg = config.default_config()
    for path in paths:
        config.merge_file(cfg, path)
    return dict(config_keys.leaves(cfg))


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_trainers_file_that_is_not_there_is_the_shared_one(trainer, tmp_path, monkeypatch):
    shared = merged(CONFIGS / "trainers/shared/rn50_ep50.yaml")
    typed = f"configs/trainers/{trainer}/rn50_ep50.yaml"
    monkeypatch.chdir(CONFIGS.parent)
    assert merged(typed) == shared
    monkeypatch.chdir(tmp_path)
    assert merged(typed) == merged(CONFIGS.parent / typed) == shared
    (tmp_path / "configs/trainers").mkdir(parents=True)  # then it is that of the user
    with pytest.raises(UserError, match="no such file"):
        merged(typed)


def test_a_trainers_own_file_wins_over_the_shared_one():
    own = merged(CONFIGS / "trainers/CoCoOp/tiny.yaml")
    shared = merged(CONFIGS / "trainers/shared/tiny.yaml")
    assert (own["OPTIM.MAX_EPOCH"], shared["OPTIM.MAX_EPOCH"]) == (4, 20)
    assert trainer_config("tiny", "CoCoOp").parent.name == "CoCoOp"
    assert trainer_config("tiny", "CoOp").parent.name == "shared"


@pytest.mark.parametrize("name", NAMES)
def test_a_data_sets_file_that_is_not_there_is_the_registered_one(name, tmp_path, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    assert merged(f"configs/datasets/{name}.yaml")["DATASET.NAME"] == NAMES[name]
    monkeypatch.chdir(tmp_path)
    assert merged(dataset_config(name))["DATASET.NAME"] == NAMES[name]


def test_a_file_that_says_more_than_a_name_is_read():
    assert len(merged(dataset_config("rs8"))["DATASET.TASKS"]) == 8
    assert merged(dataset_config("multitask"))["DATASET.NAME"] == "MultiTask"


def test_no_file_says_only_what_it_would_be_without():
    for path in CONFIGS.glob("*/**/*.yaml"):
        _, tree = read_config(path)
        assert list(tree) != ["_BASE_"], path
        assert tree != {"DATASET": {"NAME": config_names().get(path.stem)}}, path


def test_a_base_may_be_a_file_that_is_not_there(tmp_path):
    base = CONFIGS / "trainers/CoOp/vit_b16_ep50.yaml"
    (tmp_path / "mine.yaml").write_text(f"_BASE_: {base}\nOPTIM: {{LR: 0.25}}\n")
    found = merged(tmp_path / "mine.yaml")
    assert (found["OPTIM.LR"], found["MODEL.BACKBONE.NAME"]) == (0.25, "ViT-B/16")


def test_the_rule_is_that_of_any_copy_of_the_folder(tmp_path):
    for name in ("trainers/shared/mine.yaml", "datasets/other.yaml"):
        path = tmp_path / "configs" / name
        path.parent.mkdir(parents=True)
        path.write_text("OPTIM: {LR: 0.125}\n")
    assert merged(tmp_path / "configs/trainers/MaPLe/mine.yaml")["OPTIM.LR"] == 0.125
    assert merged(tmp_path / "configs/datasets/dtd.yaml")["DATASET.NAME"] == "DescribableTextures"
    with pytest.raises(UserError, match="no such file"):
        merged(tmp_path / "datasets/dtd.yaml")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("trainers/CoOp/rn51_ep50.yaml", "did you mean 'rn50_ep50'? There are "),
        ("datasets/oxford_pet.yaml", "did you mean 'oxford_pets'? There are aid, caltech101"),
        ("elsewhere/x.yaml", "those of this project are in "),
    ],
)
def test_an_unknown_file_is_named_with_what_there_is(path, message):
    with pytest.raises(UserError) as error:
        read_config(CONFIGS / path)
    assert f"{CONFIGS / path}: no such file; {message}" in str(error.value)


def test_unknown_names_are_named_with_the_nearest():
    with pytest.raises(UserError, match="CoOp has none of that name; did you mean 'tiny'"):
        trainer_config("tinny", "CoOp")
    with pytest.raises(UserError, match="data emoji4: there is none of it; did you mean 'emoji44'"):
        dataset_config("emoji4")
