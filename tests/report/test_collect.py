"""Reading runs: our results.json, other people's log.txt in any layout, and files that are not
whole."""

from __future__ import annotations

import json

import pytest

from softcpt.errors import UserError
from softcpt.report.collect import collect
from softcpt.report.log_txt import read_log
from softcpt.report.results_json import UnreadableError, read_results
from tests.helpers.synthetic_results import run_of, task, write

# What Dassl-style programs print before and after training; settings as CoOp's, shortened.
ARGUMENTS = """***************
** Arguments **
***************
eval_only: {eval_only}
trainer: {trainer}
************
** Config **
************
DATASET:
  NAME: {dataset}
  NUM_SHOTS: {shots}
  SUBSAMPLE_CLASSES: {classes}
INPUT:
  PIXEL_MEAN: [0.48145466, 0.4578275, 0.40821073]
  TRANSFORMS: ('random_resized_crop', 'random_flip', 'normalize')
MODEL:
  BACKBONE:
    NAME: RN50
    PRETRAINED: True
OPTIM:
  LR: 0.002
  MAX_EPOCH: 50
SEED: {seed}
TRAINER:
  COOP:
    CSC: False
    CTX_INIT:{blank}
    N_CTX: 16
  MTCOOP:
    CSC: True
    CLASS_CSC: False
    TASK_CSC: True
  NAME: {trainer}
Collecting env info ...
** System info **
PyTorch version: 1.7.1
"""
EPOCH = (
    "epoch [1/50][1/1]\ttime 0.9 (0.9)\teta 0:00:07\tloss 0.80 (0.80)\t"
    "acc 80.0 (80.0)\tlr 1.2e-06\n"
)
RESULT = (
    "=> result\n* total: 1,692\n* correct: 1,003\n"
    "* accuracy: {0}%\n* error: 40.7%\n* macro_f1: {1}%\n"
)
TASKS = (
    "=> result\n* total: 40\n* overall_metric: {0}%\n"
    "* task: 0 (flower (wild))\ttotal: 1,020\tmetric: {1}%\n"
    "* task: 1 (pets)\ttotal: 20\tmetric: {2}%\n* average: {0}%\n"
)


def log(folder, *parts, name="log.txt", **settings):
    settings = {
        "trainer": "CoOp",
        "dataset": "EuroSAT",
        "shots": 16,
        "seed": 2,
        "classes": "all",
        "eval_only": False,
        "blank": " ",
    } | settings
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(ARGUMENTS.format(**settings) + "".join(parts))
    return folder / name


def test_a_run_is_its_method_and_zero_shot_beside_it(tmp_path):
    folder = write(
        tmp_path, run_of("SoftCPT", 4, 2, {"a": 60.0, "b": 70.0}, zero_shot={"a": 50.0, "b": 55.0})
    )
    zero_shot, trained = read_results(folder / "run0000" / "results.json")
    assert (trained.method, trained.shots, trained.seed, trained.classes) == (
        "SoftCPT",
        4,
        2,
        "all",
    )
    assert {name: figures["metric"] for name, figures in trained.tasks.items()} == {
        "a": 60.0,
        "b": 70.0,
    }
    assert trained.own and trained.cost.parameters == 8192
    assert zero_shot.zero_shot and not zero_shot.own and zero_shot.cost is None
    assert "seed" not in trained.settings and trained.settings["device"] == "NVIDIA A100"
    assert trained.settings["versions.torch"] == "2.9"


def test_a_prompt_that_was_only_tested_has_no_cost_of_training(tmp_path):
    folder = write(tmp_path, run_of(trained=False, loaded={"prompt": "x", "epoch": 5}))
    assert read_results(folder / "run0000" / "results.json")[0].cost is None


@pytest.mark.parametrize(
    "text, why",
    [
        ('{"schema": 1, "meth', "not whole"),
        ("", "not whole"),
        ("[1, 2]", "no key 'schema'"),
        ('{"schema": 99}', "update softcpt"),
        ('{"schema": 1}', "not as docs/results.md"),
        ('{"schema": 1, "shared": 3}', "not as docs/results.md"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, text, why):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(UnreadableError, match=why):
        read_results(tmp_path / "results.json")


@pytest.mark.parametrize(
    "broken",
    [
        {"tasks": {"CoOp": []}},
        {"tasks": {"CoOp": [{"name": "a"}]}},
        {"tasks": []},
        {"contexts": {"tasks": ["a", "b"], "gram": [[1.0, 0.0]]}},
    ],
)
def test_a_results_file_with_missing_parts_is_refused(tmp_path, broken):
    folder = write(tmp_path, run_of() | broken)
    with pytest.raises(UnreadableError, match=r"not as docs/results\.md"):
        read_results(folder / "run0000" / "results.json")


def test_one_unreadable_file_does_not_take_the_others_with_it(tmp_path):
    write(tmp_path, run_of(seed=1), run_of(seed=2))
    (tmp_path / "run0001" / "results.json").write_text('{"schema": 1, ')
    found = collect([tmp_path])
    assert (found.files, [result.seed for result in found.results]) == (1, [1])
    assert found.left_out[0][0] == str(tmp_path / "run0001" / "results.json")


def test_nothing_to_report_on_names_a_reason(tmp_path):
    with pytest.raises(UserError, match="no finished run"):
        collect([tmp_path])
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(UserError, match=r"results\.json: not whole"):
        collect([tmp_path])
    with pytest.raises(UserError, match="no such file or folder"):
        collect([tmp_path / "nowhere"])


def test_runs_are_read_once_however_often_their_folder_is_given(tmp_path):
    write(tmp_path / "out", run_of())
    (tmp_path / "link").symlink_to(tmp_path / "out")
    (tmp_path / "out" / "loop").symlink_to(tmp_path)
    assert collect([tmp_path, tmp_path / "out", tmp_path / "link"]).files == 1


def test_this_version_reads_the_files_that_it_writes():
    from softcpt.engine.results_file import SCHEMA, SCHEMAS

    assert SCHEMA in SCHEMAS


def test_a_log_of_coop(tmp_path):
    found = read_log(
        log(
            tmp_path / "output/eurosat/CoOp/rn50_16shots/nctx16/seed2",
            EPOCH,
            "Finish training\n",
            RESULT.format("59.3", "58.1"),
            "Elapsed: 0:10:05\n",
        )
    )
    assert (found.method, found.dataset, found.backbone, found.shots, found.seed) == (
        "CoOp",
        "EuroSAT",
        "RN50",
        16,
        2,
    )
    assert found.overall == {"accuracy": 59.3, "macro_f1": 58.1, "metric": 59.3}
    assert found.cost.seconds == {"total": 605.0}
    assert found.options["TRAINER.COOP.CTX_INIT"] == "" and found.options["OPTIM.LR"] == "0.002"
    assert not found.verified and "TRAINER.MTCOOP.CSC" not in found.options


def test_a_log_of_softcpts_fork_has_figures_by_task(tmp_path):
    found = read_log(
        log(
            tmp_path / "seed1",
            EPOCH,
            "Finished training\n",
            TASKS.format("65.00", "60.00", "70.00"),
            trainer="MTCoOp",
            dataset="Plant6",
        )
    )
    assert found.method == "SoftCPT-CATS"
    assert {name: figures["metric"] for name, figures in found.tasks.items()} == {
        "flower (wild)": 60.0,
        "pets": 70.0,
    }
    assert found.overall["metric"] == 65.0


def test_validation_before_the_end_of_training_does_not_count(tmp_path):
    found = read_log(
        log(
            tmp_path,
            EPOCH,
            TASKS.format("1", "1", "1"),
            "Finish training\n",
            TASKS.format("65", "60", "70"),
        )
    )
    assert found.overall["metric"] == 65.0 and found.tasks["pets"]["metric"] == 70.0


def test_a_log_that_ends_in_training_is_left_out(tmp_path):
    with pytest.raises(UnreadableError, match="did not finish"):
        read_log(log(tmp_path, EPOCH, RESULT.format("59.3", "58.1")))


def test_a_log_of_a_test_alone_counts(tmp_path):
    found = read_log(log(tmp_path, RESULT.format("61.0", "60.0"), eval_only=True, classes="new"))
    assert (found.overall["accuracy"], found.classes) == (61.0, "new")


@pytest.mark.parametrize(
    "folder, expected",
    [
        ("output/base2new/train_base/dtd/shots_16/CoCoOp/vit_b16/seed3", ("base", 16, 3)),
        ("output/base2new/test_new/dtd/shots_8/CoCoOp/vit_b16/seed1", ("new", 8, 1)),
        ("output/dtd/CoOp/rn50_ep50_4shots/nctx16_cscFalse_ctpend/seed2", ("all", 4, 2)),
        ("output/dtd/ZeroshotCLIP/rn50", ("all", -1, -1)),
    ],
)
def test_folders_tell_what_a_log_does_not(tmp_path, folder, expected):
    path = log(tmp_path / folder, RESULT.format("61.0", "60.0"), shots=-1, seed=-1)
    path.write_text(path.read_text().replace("  SUBSAMPLE_CLASSES: all\n", ""))
    found = read_log(path)
    assert (found.classes, found.shots, found.seed) == expected


def test_a_log_without_a_configuration_is_left_out(tmp_path):
    (tmp_path / "log.txt").write_text(RESULT.format("61.0", "60.0"))
    with pytest.raises(UnreadableError, match="does not name its trainer"):
        read_log(tmp_path / "log.txt")


def test_of_several_logs_in_a_folder_the_newest_finished_one_counts(tmp_path):
    done = (EPOCH, "Finish training\n")
    log(tmp_path, *done, RESULT.format("50.0", "50.0"))
    log(tmp_path, *done, RESULT.format("60.0", "60.0"), name="log.txt-2026-01-01-10-00-00")
    log(tmp_path, EPOCH, name="log.txt-2026-01-02-10-00-00")
    found = collect([tmp_path])
    assert [result.overall["accuracy"] for result in found.results] == [60.0] and not found.left_out


def test_results_json_goes_before_the_log_beside_it(tmp_path):
    write(tmp_path, run_of())
    log(tmp_path / "run0000", RESULT.format("1.0", "1.0"))
    assert all(result.verified for result in collect([tmp_path]).results)


def test_a_log_with_nan_is_read_as_a_missing_figure(tmp_path):
    found = read_log(log(tmp_path, TASKS.format("nan", "60.0", "nan"), trainer="MTCoOpHard"))
    assert found.overall["metric"] != found.overall["metric"]
    assert found.method == "CoOp-MT"


def test_a_null_in_results_json_is_a_missing_figure(tmp_path):
    result = run_of(tasks={"a": 50.0})
    result["tasks"]["CoOp"] = [task("a", 50.0) | {"metric": None}]
    (tmp_path / "results.json").write_text(json.dumps(result))
    assert read_results(tmp_path / "results.json")[0].tasks["a"]["metric"] != 50.0
