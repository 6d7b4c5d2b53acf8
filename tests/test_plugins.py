"""Trainers and data sets of others: where they are found, and what is said where they are not."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from types import ModuleType

import pytest

from softcpt import UserError, plugins
from softcpt.engine import config, run_flags
from tests.helpers.plugin_place import place, write  # noqa: F401

TRAINER = """
from dassl.engine import TRAINER_REGISTRY, TrainerX

@TRAINER_REGISTRY.register()
class {name}(TrainerX):
    pass
"""
DATASET = """
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase
from .dtd import DescribableTextures  # a neighbour, as published files have it

@DATASET_REGISTRY.register()
class {name}(DatasetBase):
    dataset_dir = "x"
"""


def flags(*words):
    left = plugins.without_flag(words)  # as the command does, before there is a parser
    return run_flags.setup_config(run_flags.parser().parse_args(left))


@pytest.mark.parametrize("how", ["current folder", "flag", "flag=", "environment"])
def test_files_of_others_are_found(place, monkeypatch, how):  # noqa: F811
    write(place / "mine/trainers", "found_trainer.py", TRAINER.format(name="FoundTrainer"))
    write(place / "mine/datasets", "found_set.py", DATASET.format(name="FoundSet"))
    words = []
    if how == "current folder":
        monkeypatch.chdir(place / "mine")
    elif how == "environment":
        monkeypatch.setenv(plugins.FOLDERS, os.pathsep.join([str(place), str(place / "mine")]))
    else:
        words = ["--plugins=../mine"] if "=" in how else ["--plugins", "../mine"]
    cfg = flags("--trainer", "FoundTrainer", *words, "DATASET.NAME", "FoundSet")
    assert cfg.TRAINER.NAME == "FoundTrainer" and cfg.DATASET.NAME == "FoundSet"
    assert "found_trainer" in plugins.load("trainers")


def test_entry_points_are_found(place, monkeypatch):  # noqa: F811
    write(place / "site", "an_installed_trainer.py", TRAINER.format(name="Installed"))
    monkeypatch.syspath_prepend(place / "site")
    entry = metadata.EntryPoint("installed", "an_installed_trainer", "softcpt.trainers")
    broken = metadata.EntryPoint("broken", "no_such_module", "softcpt.trainers")
    found = {"softcpt.trainers": [broken, entry]}
    monkeypatch.setattr(metadata, "entry_points", lambda group: found.get(group, []))
    assert "installed" in plugins.load("trainers")
    assert flags("--trainer", "Installed").TRAINER.NAME == "Installed"
    del sys.modules["an_installed_trainer"]


def test_a_folder_that_is_not_there_is_one_clear_line(place):  # noqa: F811
    with pytest.raises(UserError, match="no such folder; give one with trainers/"):
        flags("--plugins", "nowhere")


@pytest.mark.parametrize("name, file", [("Mine", "other.py"), ("Named", "named.py")])
def test_a_file_that_fails_is_named_when_it_is_asked_for(place, capsys, name, file):  # noqa: F811
    text = f"import no_such_package\nclass {name if file == 'other.py' else 'X'}: pass\n"
    for kind in ("trainers", "datasets"):
        write(place / kind, file, text)
    with pytest.raises(UserError, match=rf"trainers/{file} cannot be imported .*no_such_package"):
        flags("--plugins", str(place), "--trainer", name)
    with pytest.raises(UserError, match=rf"datasets/{file} cannot be imported .*no_such_package"):
        flags("DATASET.NAME", name)
    assert capsys.readouterr().err.count("left out, importing it failed") == 2
    with pytest.raises(UserError, match="no such trainer"):
        flags("--trainer", "Zzzz")


def test_a_file_called_as_one_of_ours_is_left_out_and_said(place, capsys):  # noqa: F811
    write(place / "trainers", "coop.py", "raise ValueError")
    write(place / "trainers", "__init__.py", "raise ValueError")
    plugins.without_flag(["--plugins", str(place)])
    assert plugins.load("trainers")["coop"].__file__ != str(place / "trainers/coop.py")
    plugins.load("trainers")
    assert (
        capsys.readouterr().out.count("left out, since there are others of these names: coop.py")
        == 1
    )


def test_hugging_faces_datasets_may_be_imported_already(place, monkeypatch):  # noqa: F811
    other = ModuleType("datasets")
    other.__file__ = str(place / "datasets/__init__.py")
    monkeypatch.setitem(sys.modules, "datasets", other)
    monkeypatch.setattr("softcpt.__path__", list(sys.modules["softcpt"].__path__))
    package = plugins._package.__wrapped__("datasets")
    assert package.__name__ == "softcpt.datasets"
    assert sys.modules["datasets"] is other
    del sys.modules["softcpt.datasets"]


def test_a_trainer_without_extend_cfg_has_the_keys_of_its_file(place, capsys):  # noqa: F811
    write(place / "trainers", "bare.py", TRAINER.format(name="Bare"))
    write(place, "base.yaml", "TRAINER: {BARE: {DEPTH: 9, PREC: fp32}}")
    write(place, "bare.yaml", "_BASE_: base.yaml\nTRAINER: {BARE: {PREC: amp}}")
    words = (
        "--plugins",
        str(place),
        "--trainer",
        "Bare",
        "--config-file",
        str(place / "bare.yaml"),
    )
    cfg = flags(*words, "TRAINER.BARE.DEPTH", "3")
    assert cfg.TRAINER.BARE.DEPTH == 3 and cfg.TRAINER.BARE.PREC == "amp"
    assert "has no extend_cfg(cfg), so TRAINER.BARE has the keys" in capsys.readouterr().out


def test_an_unknown_key_of_a_trainer_names_extend_cfg():
    with pytest.raises(UserError) as error:
        config.merge_pairs(config.default_config(), ["TRAINER.MAPLE.PREC", "fp16"])
    assert "unknown key 'TRAINER.MAPLE.PREC'; a trainer's own keys" in str(error.value)
    assert "extend_cfg(cfg) in its file: cfg.TRAINER.MAPLE = CfgNode" in str(error.value)
