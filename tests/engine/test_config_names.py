"""Names of configurations and trainers of CoOp's, SoftCPT's and MVLPT's code: what their files say,
typed here as facts."""

from __future__ import annotations

import pytest

from softcpt import plugins
from softcpt.engine import config, run_flags
from softcpt.errors import UserError
from softcpt.grid.methods import find_method

CONFIGS = plugins.folder("configs")
# Folder and name -> backbone, epochs, images per step, vectors and words of the context.
PUBLISHED = {
    "CoOp/rn50": ("RN50", 200, 32, 16, ""),
    "CoOp/rn50_ep50": ("RN50", 50, 32, 16, ""),
    "CoOp/rn50_ep100": ("RN50", 100, 32, 16, ""),
    "CoOp/rn50_ctxv1": ("RN50", 200, 32, 16, "a photo of a"),
    "CoOp/rn50_ep50_ctxv1": ("RN50", 50, 32, 16, "a photo of a"),
    "CoOp/rn101": ("RN101", 200, 32, 16, ""),
    "CoOp/rn101_ep50": ("RN101", 50, 32, 16, ""),
    "CoOp/vit_b16": ("ViT-B/16", 200, 32, 16, ""),
    "CoOp/vit_b16_ctxv1": ("ViT-B/16", 200, 32, 16, "a photo of a"),
    "CoOp/vit_b16_ep50": ("ViT-B/16", 50, 32, 16, ""),
    "CoOp/vit_b16_ep100": ("ViT-B/16", 100, 32, 16, ""),
    "CoOp/vit_b16_ep50_ctxv1": ("ViT-B/16", 50, 32, 16, "a photo of a"),
    "CoOp/vit_b16_ep100_ctxv1": ("ViT-B/16", 100, 32, 16, "a photo of a"),
    "CoOp/vit_b32": ("ViT-B/32", 200, 32, 16, ""),
    "CoOp/vit_b32_ep50": ("ViT-B/32", 50, 32, 16, ""),
    "CoOp/vit_l14": ("ViT-L/14", 200, 32, 16, ""),
    "CoOp/vit_l14_336": ("ViT-L/14@336px", 200, 32, 16, ""),
    "CoCoOp/vit_b16_c4_ep10_batch1": ("ViT-B/16", 10, 1, 4, ""),
    "CoCoOp/vit_b16_c8_ep10_batch1": ("ViT-B/16", 10, 1, 8, ""),
    "CoCoOp/vit_b16_c16_ep10_batch1": ("ViT-B/16", 10, 1, 16, ""),
    "CoCoOp/vit_b16_c4_ep10_batch1_ctxv1": ("ViT-B/16", 10, 1, 4, "a photo of a"),
    "KgCoOp/vit_b16_ep100_ctxv1": ("ViT-B/16", 100, 128, 4, "a photo of a"),
    "MTCoOp/rn50_ep50": ("RN50", 50, 32, 16, None),
    "MTCoOp/rn101_ep50": ("RN101", 50, 32, 16, None),
    "MTCoOp/vit_b16_ep50": ("ViT-B/16", 50, 32, 16, None),
    "MTCoOp/vit_b32_ep50": ("ViT-B/32", 50, 32, 16, None),
    "MTCoOpHard/rn50_ep50": ("RN50", 50, 32, 16, ""),
    "MTCoOpHard/vit_b32_ep50": ("ViT-B/32", 50, 32, 16, ""),
    "ZeroShot/rn50": ("RN50", 200, 32, None, None),
    "ZeroShot/rn101": ("RN101", 200, 32, None, None),
    "ZeroShot/vit_b16": ("ViT-B/16", 200, 32, None, None),
    "ZeroShot/vit_b32": ("ViT-B/32", 200, 32, None, None),
    "MVLPT/rn50_ep100": ("RN50", 100, 32, None, None),
    "MVLPT/vit_b16": ("ViT-B/16", 200, 32, None, None),
    "MVLPT/vit_l14_336": ("ViT-L/14@336px", 200, 32, None, None),
}


def setup(*words: str):
    return run_flags.setup_config(run_flags.parser().parse_args(words))


@pytest.mark.parametrize("typed", PUBLISHED)
def test_a_published_configuration_has_its_settings(typed, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    backbone, epochs, batch, n_ctx, words = PUBLISHED[typed]
    trainer = typed.partition("/")[0]
    cfg = setup("--trainer", trainer, "--config-file", f"configs/trainers/{typed}.yaml")
    side = 336 if typed.endswith("336") else 224
    assert (cfg.MODEL.BACKBONE.NAME, list(cfg.INPUT.SIZE)) == (backbone, [side, side])
    assert (epochs, batch) == (cfg.OPTIM.MAX_EPOCH, cfg.DATALOADER.TRAIN_X.BATCH_SIZE)
    assert (cfg.OPTIM.NAME, cfg.OPTIM.LR, cfg.OPTIM.WARMUP_CONS_LR) == ("sgd", 0.002, 1e-5)
    assert (cfg.DATALOADER.TEST.BATCH_SIZE, cfg.DATALOADER.NUM_WORKERS) == (100, 8)
    node = cfg.TRAINER.get(cfg.TRAINER.NAME.upper())
    if n_ctx is not None:
        assert n_ctx == node.N_CTX
    if words is not None:
        assert words == node.CTX_INIT


@pytest.mark.parametrize(
    ("typed", "batch"), [("CoOp/rn50_val", 200), ("LP/rn101_val", 16), ("LP/vit_b16_val", 16)]
)
def test_images_alone_for_features_that_are_kept(typed, batch):
    cfg = config.default_config()
    optimiser = cfg.OPTIM.clone()
    config.merge_file(cfg, CONFIGS / f"trainers/{typed}.yaml")
    assert cfg.DATALOADER.TRAIN_X.BATCH_SIZE == cfg.DATALOADER.TEST.BATCH_SIZE == batch
    assert optimiser == cfg.OPTIM


def test_a_context_is_said_of_a_trainer_that_has_one():
    with pytest.raises(UserError, match=r"rn50_ctxv1.yaml: unknown key 'TRAINER.SOFTCPT.CTX_INIT'"):
        config.merge_file(config.default_config(), CONFIGS / "trainers/SoftCPT/rn50_ctxv1.yaml")
    with pytest.raises(UserError, match="no such file"):
        config.merge_file(config.default_config(), CONFIGS / "trainers/shared/rn50_ctxv1.yaml")


@pytest.mark.parametrize(
    ("typed", "trainer"),
    [("MTCoOp", "SoftCPT"), ("ZeroShot", "ZeroshotCLIP"), ("LP", "LinearProbe"), ("CoOp", "CoOp")],
)
def test_a_trainer_has_its_name_of_other_code(typed, trainer):
    assert setup("--trainer", typed).TRAINER.NAME == trainer == find_method(typed).trainer


def test_other_code_has_hard_parameter_sharing_as_its_own_trainer():
    tsc = ("TRAINER.MTCOOPH.TSC", "True")
    for words, per_task in (((), False), (tsc, True)):
        cfg = setup("--trainer", "MTCoOpHard", *words)
        assert ("CoOp", per_task) == (cfg.TRAINER.NAME, cfg.TRAINER.COOP.PER_TASK)
    assert setup("--trainer", "CoOp").TRAINER.COOP.PER_TASK
    assert dict(find_method("MTCoOpHard").set) == {"TRAINER.COOP.PER_TASK": False}


def test_keys_of_other_code_are_read():
    cfg = setup("--trainer", "KgCoOp", "TRAINER.COOP.W", "2.0")
    assert cfg.TRAINER.KGCOOP.WEIGHT == 2
    loss = ["LOSS.NAME", "prograd", "LOSS.GM", "False", "LOSS.T", "2.0", "LOSS.LAMBDA", "0.8"]
    options = setup("--trainer", "ProGrad", *loss).TRAINER.PROGRAD
    assert (options.TEMPERATURE, options.PROJECTION) == (2, 0.8)
    setup("--trainer", "MTCoOp", "TRAINER.MTCOOP.FREEZE_CLS_PROMPT", "0")


@pytest.mark.parametrize(
    ("key", "value"), [("TRAINER.MTCOOP.FREEZE_CLS_PROMPT", "1"), ("LOSS.NAME", "ce")]
)
def test_what_other_code_can_and_this_cannot_is_refused(key, value):
    with pytest.raises(UserError, match=f"command line: {key} is .*; leave it at "):
        setup(key, value)
