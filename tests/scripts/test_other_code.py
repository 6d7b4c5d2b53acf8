"""The documented commands of CoOp's, SoftCPT's and MVLPT's code, typed here as facts: each is
understood, and comes to the same settings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from softcpt.data.elevater_tasks import ELEVATER_TASKS
from softcpt.engine import run_flags
from tests.scripts.test_scripts import below, jobs, mvlpt, script  # noqa: F401 - a fixture

CATA = "4 False 4 False 16 True lin 1"
SETTINGS = "cnctx4_ccscFalse_tnctx4_tcscFalse_nctx16_cscTrue_typelin_ratio1"
C4 = "vit_b16_c4_ep10_batch1_ctxv1"
# Script and words -> folder of the first of its jobs, and how many it has.
GRIDS = {
    "coop/main.sh caltech101 rn50_ep50 end 16 1 False": (
        "caltech101/CoOp/rn50_ep50_1shots/nctx16_cscFalse_ctpend/seed1",
        3,
    ),
    "coop/main.sh caltech101 rn50 middle 16 16 True": (
        "caltech101/CoOp/rn50_16shots/nctx16_cscTrue_ctpmiddle/seed1",
        3,
    ),
    "coop/main.sh imagenet rn50_ep50_ctxv1 end 4 16 False": (
        "imagenet/CoOp/rn50_ep50_ctxv1_16shots/nctx4_cscFalse_ctpend/seed1",
        3,
    ),
    "coop/zeroshot.sh imagenetv2 vit_b32": ("ZeroshotCLIP/vit_b32/imagenetv2", 1),
    "mvlpt/zeroshot.sh caltech101 rn50": ("ZeroshotCLIP/rn50/caltech101", 1),
    "cocoop/base2new_train.sh caltech101 2": (
        f"base2new/train_base/caltech101/shots_16/CoCoOp/{C4}/seed2",
        2,
    ),
    "cocoop/base2new_test.sh caltech101 2": (
        f"base2new/train_base/caltech101/shots_16/CoCoOp/{C4}/seed2",
        2,
    ),
    "cocoop/xd_train.sh 3": (f"imagenet/CoCoOp/{C4}_16shots/seed3", 1),
    f"main_mtcoop.sh plant6 rn50_ep50 16 {CATA}": (
        f"plant6/SoftCPT/rn50_ep50_16shots/{SETTINGS}/seed1",
        3,
    ),
    f"main_mtcoop_cls_sample.sh fashion20 rn50_ep50 16 {CATA} 0.1": (
        f"fashion20/SoftCPT/rn50_ep50_16shots/{SETTINGS}_csr0.1/seed1",
        3,
    ),
    f"main_mtcoop_base2new_train.sh plant6 vit_b16_ep50 16 {CATA}": (
        f"base2new/train_base/plant6/SoftCPT/vit_b16_ep50_16shots/{SETTINGS}/seed1",
        6,
    ),
    f"main_mtcoop_base2new_test.sh plant6 vit_b16_ep50 16 {CATA}": (
        f"base2new/train_base/plant6/SoftCPT/vit_b16_ep50_16shots/{SETTINGS}/seed1",
        6,
    ),
    "main_mtcoop_hard.sh rs8 rn101_ep50 4 16 False True": (
        "rs8/MTCoOpHard/rn101_ep50_4shots/nctx16_cscFalse_tscTrue/seed1",
        3,
    ),
    "zeroshot.sh general10 vit_b16 3": ("ZeroshotCLIP/vit_b16/general10-3", 1),
    "zeroshot_base2new.sh general10 rn50 3 new": (
        "base2new/ZeroshotCLIP/rn50/new/general10-3",
        1,
    ),
    "linearprob.sh plant6 rn50 5": ("plant6/LinearProbe/rn50_1shots/seed1", 15),
}


def settings(call: list[str]):
    assert call[0].endswith("train.py")
    return run_flags.setup_config(run_flags.parser().parse_args(call[1:]))


@pytest.mark.parametrize("command", GRIDS)
def test_a_script_has_the_jobs_of_the_published_one(script, command):  # noqa: F811
    first, count = GRIDS[command]
    plans = jobs(script(*command.split())[0])
    assert (below(plans[0]), len(plans)) == (first, count)


def test_hard_sharing_has_its_words(script):  # noqa: F811
    for tsc, per_task in (("False", False), ("True", True)):
        words = ["plant6", "rn50_ep50", "2", "8", "True", tsc, "--seeds", "1"]
        cfg = jobs(script("main_mtcoop_hard.sh", *words)[0])[0].cfg
        coop = cfg.TRAINER.COOP
        assert (8, True, per_task) == (coop.N_CTX, coop.CSC, coop.PER_TASK)
        assert (cfg.TRAINER.NAME, cfg.DATASET.NUM_SHOTS) == ("CoOp", 2)


def test_half_of_the_classes_is_tested_zero_shot(script):  # noqa: F811
    (plan,) = jobs(script("zeroshot_base2new.sh", "plant6", "rn50", "1", "base")[0])
    dataset = plan.cfg.DATASET
    assert (dataset.SUBSAMPLE_TASKS, dataset.SUBSAMPLE_CLASSES) == ("task1", "base")


def test_prompts_of_imagenet_are_tested_elsewhere(script):  # noqa: F811
    calls = script("coop/eval.sh", "imagenet_sketch", "rn50_ep50")
    run = "CoOp/rn50_ep50_16shots/nctx16_cscFalse_ctpend"
    for seed, call in enumerate(calls, 1):
        args = run_flags.parser().parse_args(call[1:])
        assert args.model_dir == f"output/imagenet/{run}/seed{seed}"
        cfg = settings(call)
        assert ("ImageNetSketch", seed) == (cfg.DATASET.NAME, cfg.SEED)
        assert f"output/evaluation/CoOp/{run[5:]}/imagenet_sketch/seed{seed}" == cfg.OUTPUT_DIR
    (call,) = script("cocoop/xd_test.sh", "eurosat", "2")
    cfg = settings(call)
    assert (cfg.DATASET.NAME, cfg.TRAINER.NAME, cfg.SEED) == ("EuroSAT", "CoCoOp", 2)
    assert (cfg.TRAINER.COCOOP.N_CTX, cfg.MODEL.BACKBONE.NAME) == (4, "ViT-B/16")
    trained = below(jobs(script("cocoop/xd_train.sh", "2")[0])[0])
    assert run_flags.parser().parse_args(call[1:]).model_dir == f"output/{trained}"


@pytest.mark.parametrize("kind", ["CoOp", "VPT", "UPT"])
def test_mvlpts_scripts_have_its_words(script, kind, tmp_path):  # noqa: F811
    method = {"CoOp": "CoOp-MT"}.get(kind, kind)
    words = (kind, "vit_b16", "4", "20")
    (source,) = map(settings, script("mvlpt/main_mt_coopdata_cut.sh", *words, "1"))
    assert (len(source.DATASET.TASKS), source.DATASET.NUM_SHOTS) == (11, 20)
    together = list(map(settings, script("mvlpt/main_mt_elevater_cut.sh", *words)))
    assert [cfg.SEED for cfg in together] == [1, 2, 3]
    assert set(together[0].DATASET.TASKS) == {task.name for task in ELEVATER_TASKS}
    single = [*words, "2"]
    run = Path(tmp_path, "output/mvlpt/source", kind, "vit_b16_20shots/nctx4/seed2")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        script("mvlpt/main_single_coopdata_cut.sh", *single, "OxfordPets")
    assert "no such run to start from; make it with" in failed.value.stderr
    run.mkdir(parents=True)
    (pets,) = script("mvlpt/main_single_coopdata_cut.sh", *single, "OxfordPets")
    (cifar,) = script("mvlpt/main_single_elevater_cut.sh", *single, "cifar-10")
    (other,) = script("mvlpt/main_single_coopdata_cut.sh", *single, "UCF101", "--model-dir", "mine")
    (scratch,) = script("mvlpt.sh", *single, "OxfordPets")
    source = str(run.relative_to(tmp_path))
    from_source = source if kind != "CoOp" else ""  # as published
    for call, data, start in (
        (pets, "OxfordPets", source),
        (cifar, "CIFAR10", from_source),
        (other, "UCF101", "mine"),
        (scratch, "OxfordPets", ""),
    ):
        cfg = settings(call)
        assert (data, 2) == (cfg.DATASET.NAME, cfg.SEED)
        assert mvlpt.method_and_options(cfg)[0] == method
        assert run_flags.parser().parse_args(call[1:]).model_dir == start
