"""The one table of settings: it knows every key, and what depends on it agrees with it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from softcpt import plugins
from softcpt.engine import config, config_keys
from softcpt.engine.settings import (
    AXES,
    OF_TRAINING,
    SETTINGS,
    UNKNOWN,
    Use,
    markdown_table,
    setting_of,
    shared_of,
    variant_settings,
)
from softcpt.errors import UserError

KEYS = [key for key, _ in config_keys.leaves(config.default_config())]


def test_every_key_of_the_configuration_is_in_the_table():
    assert [key for key in KEYS if setting_of(key) is UNKNOWN] == []


def test_every_row_is_of_some_key_and_stands_once():
    rows = [setting.key for setting in SETTINGS if setting.key]
    assert len(rows) == len(set(rows))
    used = {setting_of(key).key for key in KEYS}
    assert [key for key in rows if key not in used] == []
    names = [setting.name for setting in SETTINGS if setting.name]
    assert len(names) == len(set(names))


def test_a_key_of_a_dropped_in_trainer_is_shared_and_compared():
    cfg = config.default_config()
    cfg.DATASET.MY_FOLDS = 3
    assert setting_of("DATASET.MY_FOLDS").use is Use.ALL
    assert config.run_settings(cfg)["DATASET.MY_FOLDS"] == 3


def test_what_no_figure_depends_on_may_change_in_a_run_that_is_continued():
    cfg = config.default_config()
    before = config.run_settings(cfg)
    pairs = ["OUTPUT_DIR", "elsewhere", "TRAIN.PRINT_FREQ", "3", "DATASET.ROOT", "/data"]
    config.merge_pairs(cfg, pairs)
    assert config.run_settings(cfg) == before
    config.merge_pairs(cfg, ["DATALOADER.TEST.BATCH_SIZE", "7"])
    (changed,) = config.differences(config.run_settings(cfg), before)
    assert changed == "DATALOADER.TEST.BATCH_SIZE: 7, not 32"


def test_the_classes_are_those_that_reports_and_grids_had_before_there_was_a_table():
    assert list(AXES) == ["dataset", "tasks", "shots", "seed", "classes"]
    assert {
        "transforms",
        "crop_scale",
        "features",
        "views",
        "workers",
        "batch_size",
        "epochs",
        "steps",
        "steps_per_shot",
        "optimiser",
        "schedule",
        "warmup_epochs",
        "reference_schedule",
        "final_model",
        "early_stop",
    } == OF_TRAINING
    logged = {key for key in KEYS if setting_of(key).logged}
    assert logged == {"INPUT.SIZE", "INPUT.TRANSFORMS", "INPUT.RRCROP_SCALE", "TEST.FINAL_MODEL"}
    assert setting_of("OPTIM.LR").use is Use.OWN and setting_of("OPTIM.LRS").use is Use.TRAINING


@pytest.mark.parametrize(
    ("text", "final_model", "template"),
    [
        ("", "last_step", ""),
        ("TEST:\n  FINAL_MODEL: best_val\n", "best_val", ""),
        ("DATASET:\n  TEMPLATE: 'a {}.'\n", "last_step", "a {}."),
    ],
)
def test_what_an_older_version_did_not_write_is_read_from_its_configuration(
    text, final_model, template
):
    none = {"steps": 0, "steps_per_shot": 0, "early_stop": 0}
    shared = shared_of({"shared": {"seed": 1}, "config": text})
    assert shared == {"seed": 1, "final_model": final_model, "template": template} | none
    new = {"final_model": "x", "template": "y"} | none
    assert shared_of({"shared": new, "config": text}) == new


def test_variants_of_a_method_are_told_apart_by_its_own_node_and_its_optimiser():
    text = {
        "OPTIM.LR": "0.1",
        "DATALOADER.TRAIN_X.BATCH_SIZE": "4",
        "DATALOADER.NUM_WORKERS": "2",
        "TRAINER.NAME": "MTCoOp",
        "TRAINER.MTCOOP.PREC": "fp16",
        "TRAINER.SOFTCPT.N_CTX": "4",
        "TRAINER.COOP.N_CTX": "16",
        "TRAINER.ACT_CKPT": "1",
        "SEED": "1",
    }
    assert set(variant_settings(text, "SoftCPT-NATS")) == {
        "OPTIM.LR",
        "DATALOADER.TRAIN_X.BATCH_SIZE",
        "TRAINER.MTCOOP.PREC",
        "TRAINER.SOFTCPT.N_CTX",
        "TRAINER.ACT_CKPT",
    }


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["FEATURES.VIEWS", "-1"], "FEATURES.VIEWS is -1: give 0 or more"),
        (["FEATURES.MODE", "disk"], "FEATURES.MODE is 'disk': choose bank or online"),
        (["DATASET.VAL_PERCENT", "1.5"], "DATASET.VAL_PERCENT is 1.5: give 0 to 1"),
        (["TRAINER.COOP.PREC", "fp8"], "PREC is 'fp8': choose fp32, fp16, bf16 or amp"),
        (["DATALOADER.TRAIN_X.BATCH_SIZE", "0"], "BATCH_SIZE is 0: give 1 or more"),
    ],
)
def test_values_out_of_range_are_refused_with_the_range(pairs, message):
    cfg = config.default_config()
    config.check_values(cfg)
    config.merge_pairs(cfg, pairs)
    with pytest.raises(UserError) as error:
        config.check_values(cfg)
    assert message in str(error.value)


def test_the_table_in_the_docs_is_the_one_in_the_code():
    guide = (plugins.folder("docs") / "results.md").read_text(encoding="utf-8")
    assert markdown_table() in guide, "put softcpt.engine.settings.markdown_table() into the page"


def test_the_table_and_reports_start_without_torch():
    code = (
        "import json, sys; import softcpt.engine.settings, softcpt.report.results_json;"
        "import softcpt.report.groups; print(json.dumps('torch' in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) is False
