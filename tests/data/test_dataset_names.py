"""A data set has several names, and each of them is accepted wherever one is asked for."""

from __future__ import annotations

import pytest

from softcpt.data.catalog import entries
from softcpt.data.dassl_dataset import chosen_metric
from softcpt.data.dataset_names import registered_name
from softcpt.engine import run_flags
from softcpt.engine.config_files import dataset_config, read_config
from softcpt.errors import UserError

PETS = ("OxfordPets", "oxfordpets", "oxford_pets", "configs/datasets/oxford_pets.yaml")


@pytest.mark.parametrize("name", PETS)
def test_each_name_is_accepted_everywhere(name, tmp_path):
    assert registered_name(name) == "OxfordPets"
    assert [entry.name for entry in entries([name], str(tmp_path))] == ["OxfordPets"]
    assert chosen_metric("OxfordPets", [f"{name}=macro_f1"]) == "macro_f1"
    for words in (("DATASET.NAME", name), ("--dataset", name)):
        cfg = run_flags.setup_config(run_flags.parser().parse_args([*words]))
        assert cfg.DATASET.NAME == "OxfordPets"
    merged = ["DATASET.NAME", "MultiTask", "DATASET.TASKS", f"['{name}', 'ImageFolder:mine']"]
    cfg = run_flags.setup_config(run_flags.parser().parse_args(merged))
    assert cfg.DATASET.TASKS == ("OxfordPets", "ImageFolder:mine")


@pytest.mark.parametrize("name", [*PETS[:3], "oxford-iiit-pets", "ElevaterPets"])
def test_a_configuration_is_found_by_each(name):
    found = read_config(dataset_config(name))[1]["DATASET"]["NAME"]
    assert found == ("ElevaterPets" if "iiit" in name or "Elev" in name else "OxfordPets")


def test_one_name_is_of_two_data_sets():
    assert registered_name("dtd") == "ElevaterDTD"
    assert registered_name("configs/datasets/dtd.yaml") == "DescribableTextures"
    assert read_config(dataset_config("dtd"))[1]["DATASET"]["NAME"] == "DescribableTextures"


def test_other_names_stay_and_are_refused():
    assert registered_name("oxford_pet") == "oxford_pet"
    with pytest.raises(UserError, match="data set 'oxford_pet': there is none of this name"):
        entries(["oxford_pet"], "")
