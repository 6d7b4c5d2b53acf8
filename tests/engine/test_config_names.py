"""Names of configurations and trainers of CoOp's, SoftCPT's and other published code: what their
files say, typed here as facts."""

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
    "KgCoOp/rn50_ep100": ("RN50", 100, 128, 4, "a photo of a"),
    "ProGrad/rn50": ("RN50", 200, 32, 16, "template"),
    "ProGrad/rn50_ep50": ("RN50", 50, 32, 16, "template"),
    "ProGrad/rn50_ep100": ("RN50", 100, 32, 16, "template"),
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


def test_names_of_other_code_are_suggested_too():
    with pytest.raises(UserError, match="no such trainer; did you mean 'MTCoOp'"):
        setup("--trainer", "MTCoOpp")


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


@pytest.mark.parametrize(
    ("trainer", "words"), [("KgCoOp", "a photo of a"), ("ProGrad", "template")]
)
def test_options_are_read_where_the_trainers_own_code_has_them(trainer, words, tmp_path):
    shape = "N_CTX 8 CSC True CLASS_TOKEN_POSITION middle PREC fp32"
    pairs = shape.replace("N_CTX", "TRAINER.COOP.N_CTX").split()
    pairs[2::2] = [f"TRAINER.COOP.{key}" for key in pairs[2::2]]
    for switch, start in (("True", words), ("False", ""), ("a picture of", "a picture of")):
        cfg = setup("--trainer", trainer, *pairs, "TRAINER.COOP.CTX_INIT", switch)
        node = cfg.TRAINER[trainer.upper()]
        read = (node.N_CTX, node.CSC, node.CLASS_TOKEN_POSITION, node.PREC, node.CTX_INIT)
        assert read == (8, True, "middle", "fp32", start)
        assert config.default_config().TRAINER.COOP == cfg.TRAINER.COOP
    own = setup("--trainer", trainer, *pairs, f"TRAINER.{trainer.upper()}.N_CTX", "2")
    assert own.TRAINER[trainer.upper()].N_CTX == 2
    file = tmp_path / "theirs.yaml"
    file.write_text("TRAINER: {COOP: {CTX_INIT: False, N_CTX: 5}}")
    node = setup("--trainer", trainer, "--config-file", str(file)).TRAINER[trainer.upper()]
    assert (node.CTX_INIT, node.N_CTX) == ("", 5)
    assert setup("--trainer", "CoOp", *pairs).TRAINER.COOP.N_CTX == 8
    node_key = f"TRAINER.{trainer.upper()}.N_CTX"
    with pytest.raises(UserError, match=f"unknown key 'TRAINER.COOP.N_CTXX'; .*{node_key}"):
        setup("--trainer", trainer, "TRAINER.COOP.N_CTXX", "4")


def test_plot_has_its_published_settings(monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    command = (
        "--trainer PLOT --config-file configs/trainers/PLOT/rn50.yaml TRAINER.PLOT.N_CTX 16 "
        "TRAINER.PLOT.CSC False TRAINER.PLOT.CLASS_TOKEN_POSITION end DATASET.NUM_SHOTS 1 "
        "TRAINER.PLOT.N 2"
    )
    cfg = setup(*command.split())
    batches = (cfg.DATALOADER.TRAIN_X.BATCH_SIZE, cfg.DATALOADER.TEST.BATCH_SIZE)
    assert (cfg.OPTIM.MAX_EPOCH, batches, cfg.TRAINER.PLOT.N_PROMPTS) == (50, (128, 200), 2)


# As the repositories' scripts call train.py, with the words that they are documented with.
COMMANDS = {
    "--seed 2 --trainer KgCoOp --dataset-config-file configs/datasets/ucf101.yaml --config-file "
    "configs/trainers/KgCoOp/vit_b16_ep100_ctxv1.yaml TRAINER.COOP.N_CTX 4 TRAINER.COOP.CSC False "
    "TRAINER.COOP.W 8.0 TRAINER.COOP.CLASS_TOKEN_POSITION end DATASET.NUM_SHOTS 16 "
    "DATASET.SUBSAMPLE_CLASSES base": ("KgCoOp", "UCF101", 16),
    "--seed 2 --trainer KgCoOp --dataset-config-file configs/datasets/ucf101.yaml --config-file "
    "configs/trainers/KgCoOp/vit_b16_ep100_ctxv1.yaml --model-dir nowhere --load-epoch 100 "
    "--eval-only TRAINER.COOP.N_CTX 4 TRAINER.COOP.CSC False TRAINER.COOP.CLASS_TOKEN_POSITION end "
    "DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES new": ("KgCoOp", "UCF101", 16),
    "--seed 1 --trainer ProGrad --dataset-config-file configs/datasets/dtd.yaml --config-file "
    "configs/trainers/ProGrad/rn50_ep50.yaml LOSS.LAMBDA 1.0 TRAINER.COOP.N_CTX 16 "
    "TRAINER.COOP.CSC False TRAINER.COOP.CLASS_TOKEN_POSITION end DATASET.NUM_SHOTS 4": (
        "ProGrad",
        "DescribableTextures",
        4,
    ),
    "--seed 1 --trainer CoOp --dataset-config-file configs/datasets/caltech101.yaml "
    "--config-file configs/trainers/CoOp/rn50_ep50.yaml TRAINER.COOP.N_CTX 16 TRAINER.COOP.CSC "
    "False TRAINER.COOP.CLASS_TOKEN_POSITION middle DATASET.NUM_SHOTS 2": ("CoOp", "Caltech101", 2),
    "--trainer ZeroshotCLIP --dataset-config-file configs/datasets/imagenetv2.yaml --config-file "
    "configs/trainers/CoOp/vit_b32.yaml --eval-only": ("ZeroshotCLIP", "ImageNetV2", -1),
    "--seed 2 --trainer CoCoOp --dataset-config-file configs/datasets/oxford_flowers.yaml "
    "--config-file configs/trainers/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1.yaml --model-dir nowhere "
    "--load-epoch 10 --eval-only DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES new": (
        "CoCoOp",
        "OxfordFlowers",
        16,
    ),
    "--seed 3 --trainer MTCoOp --dataset-config-file configs/datasets/plant6.yaml --config-file "
    "configs/trainers/MTCoOp/rn50_ep50.yaml TRAINER.MTCOOP.CLASS_N_CTX 4 TRAINER.MTCOOP.CLASS_CSC "
    "False TRAINER.MTCOOP.TASK_N_CTX 4 TRAINER.MTCOOP.TASK_CSC True TRAINER.MTCOOP.N_CTX 16 "
    "TRAINER.MTCOOP.CSC True TRAINER.MTCOOP.PG_TYPE lin TRAINER.MTCOOP.PG_RATIO 1 "
    "TRAINER.MTCOOP.CLS_SAMPLE_RATE 0.1 DATASET.NUM_SHOTS 4": ("SoftCPT", "Plant6", 4),
    "--seed 1 --trainer MTCoOpHard --dataset-config-file configs/datasets/rs8.yaml --config-file "
    "configs/trainers/MTCoOpHard/vit_b16_ep50.yaml TRAINER.MTCOOPH.N_CTX 16 TRAINER.MTCOOPH.CSC "
    "False TRAINER.MTCOOPH.TSC True DATASET.NUM_SHOTS 8": ("CoOp", "RS8", 8),
    "--trainer ZeroshotCLIP --dataset-config-file configs/datasets/general10.yaml --config-file "
    "configs/trainers/ZeroShot/rn101.yaml --eval-only DATASET.NUM_SHOTS 1 DATASET.SUBSAMPLE_TASKS "
    "task3": ("ZeroshotCLIP", "General10", 1),
    "--seed 1 --trainer MVLPT --config-file configs/trainers/MVLPT/vit_b16.yaml --dataset "
    "mnist,oxford-iiit-pets --shots 20 --multi-task TRAINER.MVLPT.VPT.N_CTX 4 "
    "TRAINER.MVLPT.COOP.N_CTX 4 TRAINER.MVLPT.COOP.CLASS_TOKEN_POSITION middle "
    "TRAINER.MVLPT.COOP.CSC False TEST.NO_TEST False TEST.FINAL_MODEL best_val "
    "TRAINER.CUT_CONTEXTLEN True": ("MVLPT", "MultiTask", 20),
    "--seed 1 --trainer MVLPT --config-file configs/trainers/MVLPT/rn50.yaml --dataset OxfordPets "
    "--shots 5 --dataset-coop TRAINER.MVLPT.VPT.N_CTX 0 TRAINER.MVLPT.COOP.N_CTX 16": (
        "MVLPT",
        "OxfordPets",
        5,
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_published_command_is_understood(command, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    cfg = setup(*command.split())
    assert COMMANDS[command] == (cfg.TRAINER.NAME, cfg.DATASET.NAME, cfg.DATASET.NUM_SHOTS)
