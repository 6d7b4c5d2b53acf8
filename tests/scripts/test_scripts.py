"""The shell scripts: their words become flags of the grid, from any folder, and each tells how it
is used."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from softcpt import plugins
from softcpt.cli import grid_flags
from softcpt.engine import run_flags
from softcpt.grid.jobs import plan_jobs

mvlpt = plugins.load("trainers")["mvlpt"]
ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = sorted(
    str(path.relative_to(ROOT / "scripts"))
    for path in (ROOT / "scripts").rglob("*.sh")
    if path.name != "common.sh"
)


@pytest.fixture
def script(tmp_path):
    """Run a script from another folder with a `python` that only tells its words; returns those of
    each call."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/usr/bin/env bash\nprintf "%s\\037" "$@"\necho\n')
    python.chmod(0o755)

    def run(name: str, *words: str, **environment: str) -> list[list[str]]:
        path = f"{python.parent}:{os.environ['PATH']}"
        ended = subprocess.run(
            [str(ROOT / "scripts" / name), *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
            env={**os.environ, "PATH": path, **environment},
        )
        return [line.split("\037")[:-1] for line in ended.stdout.splitlines()]

    return run


def jobs(call: list[str]) -> list:
    """The jobs of a call of `python -m softcpt grid`."""
    assert call[:3] == ["-m", "softcpt", "grid"]
    return plan_jobs(
        *grid_flags.grid_and_pairs(grid_flags.parser().parse_intermixed_args(call[3:]))
    )


def below(plan) -> str:
    return os.path.relpath(plan.job.folder, Path("output").absolute())


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_tells_how_it_is_used(name, tmp_path):
    ended = subprocess.run(
        [str(ROOT / "scripts" / name), "--help"], capture_output=True, text=True, cwd=tmp_path
    )
    assert (
        ended.returncode == 0 and f"scripts/{name}" in ended.stdout and "set -e" not in ended.stdout
    )
    assert os.access(ROOT / "scripts" / name, os.X_OK)


def test_coop_has_the_published_words_and_folders(script):
    words = "caltech101 rn50_ep50 middle 4 2 True --seeds 1 OPTIM.LR 0.1"
    (call,) = script("coop.sh", *words.split())
    (plan,) = jobs(call)
    coop = plan.cfg.TRAINER.COOP
    assert (coop.CLASS_TOKEN_POSITION, coop.N_CTX, coop.CSC, plan.cfg.DATASET.NUM_SHOTS) == (
        "middle",
        4,
        True,
        2,
    )
    assert (plan.cfg.DATASET.NAME, plan.cfg.OPTIM.LR) == ("Caltech101", 0.1)
    assert below(plan) == "caltech101/CoOp/rn50_ep50_2shots/nctx4_cscTrue_ctpmiddle/seed1"


def test_softcpt_has_the_published_words_and_folders(script):
    (call,) = script(
        "softcpt.sh",
        *[
            "general10",
            "rn50_ep50",
            "8",
            "4",
            "True",
            "4",
            "False",
            "16",
            "True",
            "lin",
            "1",
            "0.1",
        ],
    )
    plans = jobs(call)
    options = plans[0].cfg.TRAINER.SOFTCPT
    assert (options.CSC, options.CLASS_CSC, options.TASK_CSC, options.CLS_SAMPLE_RATE) == (
        True,
        True,
        False,
        0.1,
    )
    settings = "cnctx4_ccscTrue_tnctx4_tcscFalse_nctx16_cscTrue_typelin_ratio1_csr0.1"
    assert [below(plan) for plan in plans] == [
        f"general10/SoftCPT/rn50_ep50_8shots/{settings}/seed{seed}" for seed in (1, 2, 3)
    ]


def test_mvlpt_has_the_published_words_and_folders(script):
    calls = script(
        "mvlpt.sh",
        "UPT",
        "vit_b16",
        "4",
        "20",
        "1 2",
        "mnist",
        "--model-dir",
        "run",
        "OPTIM.LR",
        "0.1",
    )
    flags = [run_flags.parser().parse_args(call[1:]) for call in calls]
    assert [(args.seed, args.shots, args.dataset, args.model_dir) for args in flags] == [
        (1, 20, "mnist", "run"),
        (2, 20, "mnist", "run"),
    ]
    assert flags[0].output_dir == "output/mvlpt/mnist/UPT/vit_b16_20shots/nctx4/seed1"
    method, options = mvlpt.method_and_options(run_flags.setup_config(flags[0]))
    assert (method, options["n_ctx"], options["visual_n_ctx"], options["position"]) == (
        "UPT",
        4,
        4,
        "middle",
    )
    (call,) = script("mvlpt.sh", "VPT", "vit_b16", "16", "1", "1", "source")
    cfg = run_flags.setup_config(run_flags.parser().parse_args(call[1:]))
    assert mvlpt.method_and_options(cfg)[0] == "VPT" and len(cfg.DATASET.TASKS) == 11
    (call,) = script("mvlpt.sh")
    cfg = run_flags.setup_config(run_flags.parser().parse_args(call[1:]))
    assert (cfg.DATASET.NAME, mvlpt.method_and_options(cfg)[0], cfg.TEST.FINAL_MODEL) == (
        "Emoji44",
        "CoOp-MT",
        "best_val",
    )


def test_without_words_scripts_use_what_comes_with_the_project(script):
    for name, count in {
        "coop.sh": 3,
        "softcpt.sh": 3,
        "zeroshot.sh": 1,
        "linear_probe.sh": 9,
        "base2new.sh": 12,
        "compare.sh": 4,
    }.items():
        plans = jobs(script(name)[0])
        assert len(plans) == count
        assert {(plan.cfg.DATASET.NAME, plan.cfg.MODEL.BACKBONE.NAME) for plan in plans} == {
            ("Emoji44", "tiny")
        }


def test_zero_shot_of_one_task(script):
    (plan,) = jobs(script("zeroshot.sh", "plant6", "rn50", "2")[0])
    assert (plan.cfg.DATASET.SUBSAMPLE_TASKS, plan.cfg.MODEL.BACKBONE.NAME) == ("task2", "RN50")
    assert below(plan) == "ZeroshotCLIP/rn50/plant6-2"


def test_the_data_root_comes_from_one_place(script, tmp_path):
    (call,) = script("coop.sh", "caltech101", "rn50_ep50", DATA=str(tmp_path))
    assert {plan.cfg.DATASET.ROOT for plan in jobs(call)} == {str(tmp_path)}


def test_compare_takes_the_flags_that_train_py_has(script):
    plans = jobs(script("compare.sh", "--seed", "3", "OPTIM.MAX_EPOCH", "2")[0])
    assert {plan.cfg.SEED for plan in plans} == {3}
    marks = {Path(plan.job.folder).parent.name for plan in plans}
    assert len(marks) == 1 and marks != {
        "tiny_4shots"
    }  # a trial does not stand in the way of the real thing


def test_the_published_table_has_thirteen_rows_and_ends_with_a_report(script):
    call, report = script("reproduce_table2.sh", "general10", "rn50_ep50")
    plans = jobs(call)
    assert len({plan.job.method for plan in plans}) == 13
    assert len(plans) == 12 * 5 * 3 + 1
    assert {plan.cfg.TRAINER.PLOT.N_PROMPTS for plan in plans} == {2}
    assert report == [
        "-m",
        "softcpt",
        "report",
        "output/table2/general10",
        "--to",
        "output/table2/general10/report",
    ]
    assert len(script("reproduce_table2.sh", "plant6", "rn50_ep50", "--dry-run")) == 1
