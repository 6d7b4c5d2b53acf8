"""Trainers and data sets of others: where they are found, and what is said where they are not."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from types import ModuleType

import pytest

from softcpt import UserError, plugins
from softcpt.engine import config, config_keys, run_flags
from softcpt.engine.their_templates import add_template
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
    write(place, "base.yaml", "TRAINER: {Bare: {DEPTH: 9, PREC: fp32}}")
    write(place, "bare.yaml", "_BASE_: base.yaml\nTRAINER: {Bare: {PREC: amp}}")
    words = (
        "--plugins",
        str(place),
        "--trainer",
        "Bare",
        "--config-file",
        str(place / "bare.yaml"),
    )
    cfg = flags(*words, "TRAINER.Bare.DEPTH", "3")
    assert cfg.TRAINER.Bare.DEPTH == 3 and cfg.TRAINER.Bare.PREC == "amp"
    assert "has no extend_cfg(cfg), so TRAINER.Bare has the keys" in capsys.readouterr().out


def test_an_unknown_key_of_a_trainer_names_extend_cfg():
    with pytest.raises(UserError) as error:
        config.merge_pairs(config.default_config(), ["TRAINER.MAPLE.PREC", "fp16"])
    assert "unknown key 'TRAINER.MAPLE.PREC'; a trainer's own keys" in str(error.value)
    assert "extend_cfg(cfg) in its file: cfg.TRAINER.MAPLE = CfgNode" in str(error.value)


THEIRS = """
from clip import clip  # beside trainers/, as in their code base
from trainers.their_helpers import HELP
from datasets.their_names import NAMES
from dassl.engine import TRAINER_REGISTRY, TrainerX

CUSTOM_TEMPLATES = {{"ImageNet": "{places}a photo of a {{}}."}}

@TRAINER_REGISTRY.register()
class TaskRes(TrainerX):
    found = (clip.WHO, HELP, NAMES)

def extend_cfg(cfg):
    from yacs.config import CfgNode as CN
    cfg.TRAINER.COOP = CN()
    cfg.TRAINER.COOP.CTX_INIT = False
    cfg.TRAINER.COOP.W = 8.0
    cfg.DATASET.NUM_SHOTS = 1
    cfg.TRAINER.TaskRes = CN({{"SCALE": 1.0}})
"""


@pytest.fixture
def code_base(place):  # noqa: F811
    """A folder as code bases of CoOp's family are, with a trainer called as one of ours."""

    def make(name="theirs", places=""):
        write(place / name / "clip", "__init__.py", "")
        write(place / name / "clip", "clip.py", f"WHO = '{name}'")
        write(place / name / "trainers", "their_helpers.py", "HELP = 'help'")
        write(place / name / "datasets", "their_names.py", "NAMES = 'names'")
        write(place / name / "trainers", f"{name}.py", THEIRS.format(places=places))
        return place / name

    return make


def test_files_of_a_code_base_import_what_lies_beside_them(code_base, capsys):
    from dassl.engine import TRAINER_REGISTRY

    cfg = flags("--plugins", str(code_base()), "--trainer", "TaskRes@theirs")
    assert TRAINER_REGISTRY.get("TaskRes@theirs").found == ("theirs", "help", "names")
    assert plugins.origin(TRAINER_REGISTRY.get("TaskRes")) == "softcpt"
    assert cfg.TRAINER.NAME == "TaskRes@theirs"
    said = capsys.readouterr().out
    assert "TaskRes is there already; this one is called TaskRes@theirs" in said


def test_a_second_code_base_with_packages_of_the_same_name_is_said(code_base, capsys):
    flags("--plugins", f"{code_base()}{os.pathsep}{code_base('more')}", "--trainer", "CoOp")
    said = capsys.readouterr().err
    assert said.count("not used, since the package clip at") == 1 and "more/clip: " in said


def test_keys_of_a_trainers_file_leave_those_of_the_others_alone(code_base):
    theirs = ("--plugins", str(code_base()), "--trainer", "TaskRes@theirs")
    file = code_base().parent / "theirs.yaml"
    file.write_text("TRAINER: {COOP: {W: 4.0, CTX_INIT: True}, TaskRes: {SCALE: 0.5}}")
    cfg = flags(*theirs, "--config-file", str(file))
    assert (cfg.TRAINER.COOP.W, cfg.TRAINER.COOP.CTX_INIT) == (4.0, True)
    assert cfg.TRAINER.TaskRes.SCALE == 0.5
    ours = flags("--trainer", "CoOp")
    assert ours.TRAINER.COOP.CTX_INIT == "" and ours.TRAINER.COOP.N_CTX == 16
    # Another name of a key of ours still sets ours, too.
    cfg = flags("--trainer", "KgCoOp", "TRAINER.COOP.W", "3")
    assert cfg.TRAINER.KGCOOP.WEIGHT == 3


def test_an_extend_cfg_that_fails_is_said_and_stops_no_other_trainer(place, capsys):  # noqa: F811
    text = TRAINER.format(name="Forgot") + "\n\ndef extend_cfg(cfg):\n    cfg.X = CN()\n"
    write(place / "trainers", "forgot.py", text)
    assert flags("--plugins", str(place), "--trainer", "CoOp").TRAINER.NAME == "CoOp"
    assert "its extend_cfg(cfg) fails (NameError: name 'CN'" in capsys.readouterr().err


@pytest.mark.parametrize("places", ["", "X X X X "])
def test_a_table_of_prompts_gets_the_data_set_that_it_lacks(code_base, capsys, places):
    from dassl.engine import TRAINER_REGISTRY

    cfg = flags("--plugins", str(code_base(places=places)), "--trainer", "TaskRes@theirs")
    theirs = TRAINER_REGISTRY.get("TaskRes@theirs")
    add_template(theirs, cfg)
    prompt = f"{places}{{}}." if places else "an emoji of a {}."
    table = sys.modules[theirs.__module__].CUSTOM_TEMPLATES
    assert table == {"ImageNet": f"{places}a photo of a {{}}.", "Emoji44": prompt}
    assert f"CUSTOM_TEMPLATES has no Emoji44; its prompt is '{prompt}'" in capsys.readouterr().out
    add_template(TRAINER_REGISTRY.get("CoOp"), cfg)  # ours has no such table


def test_pairs_of_numbers_may_be_text_as_in_published_files():
    cfg = config.default_config()
    config_keys.set_key(cfg, "INPUT.SIZE", "(64, 64)", "x.yaml")
    assert cfg.INPUT.SIZE == (64, 64)
