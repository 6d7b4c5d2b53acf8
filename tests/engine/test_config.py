"""Config files: bases, types, and messages that name the nearest key."""

from __future__ import annotations

import pytest

from softcpt import plugins
from softcpt.engine import config, config_keys
from softcpt.errors import UserError

CONFIGS = sorted((plugins.folder("configs") / "trainers").glob("*/*.yaml"))


def written(folder, **files: str):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_one_key_sets_the_precision_of_all_methods():
    cfg = config.default_config()
    config.merge_pairs(cfg, ["TRAINER.*.PREC", "bf16"])
    assert {cfg.TRAINER[name].PREC for name in ("COOP", "SOFTCPT", "CLAP", "ZEROSHOT")} == {"bf16"}
    with pytest.raises(UserError, match=r"file: TRAINER\.\*\.PREC is \[16\]"):
        config_keys.set_key(cfg, "TRAINER.*.PREC", [16], "file")


def test_a_file_overrides_its_base_and_that_its_own(tmp_path):
    written(
        tmp_path,
        shared="OPTIM: {LR: 0.5, MAX_EPOCH: 7}\nDATASET: {NUM_SHOTS: 2}\n",
        middle="_BASE_: shared.yaml\nOPTIM: {LR: 0.25}\n",
        method="OPTIM: {MAX_EPOCH: 9}\n_BASE_: middle.yaml\n",
    )
    cfg = config.default_config()
    config.merge_file(cfg, tmp_path / "method.yaml")
    assert (cfg.OPTIM.LR, cfg.OPTIM.MAX_EPOCH, cfg.DATASET.NUM_SHOTS) == (0.25, 9, 2)


def test_a_base_that_leads_back_or_is_missing_is_named(tmp_path):
    written(tmp_path, a="_BASE_: b.yaml\n", b="_BASE_: a.yaml\n", c="_BASE_: nowhere.yaml\n")
    with pytest.raises(UserError, match=r"a\.yaml: its _BASE_ leads back to itself"):
        config.merge_file(config.default_config(), tmp_path / "a.yaml")
    with pytest.raises(UserError, match=r"nowhere\.yaml: no such file"):
        config.merge_file(config.default_config(), tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("OPTIM: {LRR: 1.0}", r"unknown key 'OPTIM.LRR'; did you mean 'OPTIM.LR'\?"),
        (
            "TRAINER: {SOFTCPT: {N_CTX: four}}",
            r"TRAINER.SOFTCPT.N_CTX is 'four' \(str\); its default 16 is of type int",
        ),
        ("OPTIM: [1", "not valid yaml"),
        ("- OPTIM", "a mapping of keys is needed"),
    ],
)
def test_mistakes_in_a_file_name_the_key_and_the_remedy(tmp_path, text, message):
    written(tmp_path, mine=text)
    with pytest.raises(UserError, match=message):
        config.merge_file(config.default_config(), tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["OPTIM.LR", "1", "--seed", "2"], "'--seed' stands behind KEY VALUE"),
        (["OPTIM.LR"], "'OPTIM.LR' has no value"),
    ],
)
def test_mistakes_on_the_command_line_name_the_word(pairs, message):
    with pytest.raises(UserError, match=message):
        config.merge_pairs(config.default_config(), pairs)


def test_the_references_keys_are_read_as_ours(tmp_path):
    written(
        tmp_path, mine="TRAINER: {MTCOOP: {PG_TYPE: linmean, TASK_N_CTX: 3}, COOP: {CSC: true}}"
    )
    cfg = config.default_config()
    config.merge_file(cfg, tmp_path / "mine.yaml")
    assert (
        cfg.TRAINER.SOFTCPT.GENERATOR,
        cfg.TRAINER.SOFTCPT.TASK_N_CTX,
        cfg.TRAINER.COOP.CSC,
    ) == ("linmean", 3, True)


def test_a_key_that_the_reference_never_reads_is_left_out_and_named(capsys):
    cfg = config.default_config()
    config.merge_pairs(cfg, ["TRAINER.MTCOOP.PG_RATIO", "1"])
    assert config.differences(cfg, config.default_config()) == []
    assert "PG_RATIO has no effect" in capsys.readouterr().out


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: "/".join(path.parts[-2:]))
def test_every_trainer_config_is_valid_and_names_its_backbone(path):
    cfg = config.default_config()
    config.merge_file(cfg, path)
    if path.parent.name != "shared":
        letters = {
            "rn50": "RN50",
            "rn101": "RN101",
            "vit_b32": "ViT-B/32",
            "vit_b16": "ViT-B/16",
            "vit_l14_336": "ViT-L/14@336px",
            "vit_l14": "ViT-L/14",
        }
        expected = next(
            (name for start, name in letters.items() if f"{path.stem}_".startswith(f"{start}_")),
            "tiny",
        )
        assert expected == cfg.MODEL.BACKBONE.NAME


def test_a_run_is_not_another_one_for_options_of_other_methods():
    plugins.load("trainers")
    cfg = config.default_config()
    cfg.TRAINER.NAME = "CoOp"
    before = config.run_settings(cfg)
    del cfg.TRAINER["LINEARPROBE"]
    cfg.TRAINER.SOFTCPT.N_CTX = 3
    assert config.run_settings(cfg) == before and "TRAINER.COOP.N_CTX" in before
    cfg.TRAINER.COOP.N_CTX = 3
    assert config.differences(config.run_settings(cfg), before) == ["TRAINER.COOP.N_CTX: 3, not 16"]


@pytest.mark.parametrize(
    "key, text",
    [
        ("DATASET.ROOT", "2023_10"),
        ("DATASET.ROOT", "1e5"),
        ("DATASET.ROOT", "007"),
        ("DATASET.TASK_NAME", "None"),
        ("DATASET.TASK_NAME", "True"),
        ("DATASET.TEMPLATE", "{}"),
        ("DATASET.TEMPLATE", "a photo of '{}'"),
        ("TRAINER.COOP.CTX_INIT", "[1, 2]"),
    ],
)
def test_text_stays_as_it_is_typed(tmp_path, key, text):
    typed, written = config.default_config(), config.default_config()
    config.merge_pairs(typed, [key, text])
    (tmp_path / "numbers.yaml").write_text("DATASET: {ROOT: 2023_10, TASK_NAME: 1e5}")
    config.merge_file(written, tmp_path / "numbers.yaml")
    assert dict(config_keys.leaves(typed))[key] == text
    assert (written.DATASET.ROOT, written.DATASET.TASK_NAME) == ("2023_10", "1e5")
    assert written.clone().dump() == written.dump()


def test_numbers_stay_numbers(tmp_path):
    cfg = config.default_config()
    (tmp_path / "numbers.yaml").write_text("OPTIM: {LR: 1e-3, MAX_EPOCH: 1_0, STEPSIZE: [3, 4]}")
    config.merge_file(cfg, tmp_path / "numbers.yaml")
    config.merge_pairs(cfg, ["DATASET.TASK_NAME", "'quoted'", "OPTIM.MOMENTUM", "0.5"])
    assert (cfg.OPTIM.LR, cfg.OPTIM.MAX_EPOCH, cfg.OPTIM.STEPSIZE) == (1e-3, 10, (3, 4))
    assert {type(cfg.OPTIM.LR), type(cfg.OPTIM.MOMENTUM)} == {float}
    assert {type(step) for step in (*cfg.OPTIM.STEPSIZE, cfg.OPTIM.MAX_EPOCH)} == {int}
    assert cfg.DATASET.TASK_NAME == "quoted"


@pytest.mark.parametrize(
    "key, text",
    [
        ("OPTIM.LR", "1e400"),
        ("OPTIM.LR", "-1"),
        ("OPTIM.MOMENTUM", "1e999"),
        ("SEED", "4294967296"),
        ("DATASET.SUBSAMPLE_CLASSES", "basic"),
    ],
)
def test_numbers_that_are_none_are_refused(key, text):
    cfg = config.default_config()
    config.merge_pairs(cfg, [key, text])
    with pytest.raises(UserError, match=f"configuration: {key} is "):
        config.check_values(cfg)
