"""From the grid file to jobs: what it may say, which jobs come of it, and one clear line for
mistakes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from softcpt.cli import grid_flags
from softcpt.engine import run_flags
from softcpt.errors import UserError
from softcpt.grid import overview
from softcpt.grid.fairness import check_settings, describe
from softcpt.grid.grid_file import Grid, GridEntry, read_grid
from softcpt.grid.jobs import Job, plan_jobs
from softcpt.grid.methods import find_method
from softcpt.grid.state import JobStatus
from softcpt.plugins import folder, load
from softcpt.prompters import METHODS
from tests.helpers.small_grid import grid_file


def planned(path, *pairs):
    return plan_jobs(read_grid(path), pairs)


def test_a_grid_is_the_product_of_its_lists(tmp_path):
    jobs = [plan.job for plan in planned(grid_file(tmp_path, shots=[2, 1], seeds=[1, 2, 3]))]
    assert len(jobs) == len({job.folder for job in jobs}) == 2 * 2 * 3
    assert {(job.method, job.shots, job.seed) for job in jobs} == {
        (method, shots, seed)
        for method in ("CoOp", "SoftCPT")
        for shots in (1, 2)
        for seed in (1, 2, 3)
    }
    assert [job.shots for job in jobs] == sorted(job.shots for job in jobs)
    assert jobs[0].folder == str(tmp_path / "out/CSV/CoOp/toy_1shots/seed1")


def test_a_method_has_settings_shots_and_seeds_of_its_own(tmp_path):
    methods = {
        "CoOp": None,
        "CoOp-CS": {"of": "CoOp", "set": {"TRAINER.COOP.CSC": True, "OPTIM": {"LR": 0.5}}},
        "ZeroshotCLIP": {"shots": [1], "seeds": [7]},
    }
    plans = {
        str(plan.job): plan for plan in planned(grid_file(tmp_path, methods=methods, shots=[1, 2]))
    }
    assert list(plans) == [
        "CoOp plants 1 shot seed 1",
        "CoOp-CS plants 1 shot seed 1",
        "ZeroshotCLIP plants 1 shot seed 7",
        "CoOp plants 2 shots seed 1",
        "CoOp-CS plants 2 shots seed 1",
    ]
    own = plans["CoOp-CS plants 1 shot seed 1"].cfg
    assert (own.TRAINER.NAME, own.TRAINER.COOP.CSC, own.OPTIM.LR) == ("CoOp", True, 0.5)
    assert plans["CoOp plants 1 shot seed 1"].cfg.OPTIM.LR == 0.02


def test_later_words_win_pairs_over_method_over_all(tmp_path):
    file = grid_file(
        tmp_path,
        set={"OPTIM.MAX_EPOCH": 3, "OPTIM.MOMENTUM": 0.5, "TRAIN.PRINT_FREQ": 3},
        methods={"CoOp": {"set": {"OPTIM.MAX_EPOCH": 4, "OPTIM.MOMENTUM": 0.6}}},
    )
    optim = planned(file, "OPTIM.MAX_EPOCH", "5")[0].cfg
    assert (optim.OPTIM.MAX_EPOCH, optim.OPTIM.MOMENTUM, optim.TRAIN.PRINT_FREQ) == (5, 0.6, 3)


def test_every_method_name_finds_its_trainer():
    load("trainers")
    for name, (prompter, fixed) in METHODS.items():
        method = find_method(name)
        own, own_fixed = METHODS[_method_of(method.trainer)]
        assert own is prompter
        assert len(method.set) == len(fixed) - len(own_fixed)
    assert find_method("SoftCPT-NATS").set == {"TRAINER.SOFTCPT.TASK_CSC": True}
    assert not find_method("ZeroShot").learns


def _method_of(trainer: str) -> str:
    from dassl.engine import TRAINER_REGISTRY

    return TRAINER_REGISTRY.get(trainer).method


def test_a_backbone_names_the_configuration_or_the_folder(tmp_path):
    grid = Grid(methods=(GridEntry("CoOp"),), shots=(2,), output=str(tmp_path))
    found = plan_jobs(replace(grid, backbones=("RN50", "ViT-B/16"), config="{backbone}_ep50"))
    assert [plan.cfg.MODEL.BACKBONE.NAME for plan in found] == ["RN50", "ViT-B/16"]
    assert [Path(plan.job.folder).parent.name for plan in found] == [
        "rn50_ep50_2shots",
        "vit_b16_ep50_2shots",
    ]
    same = plan_jobs(replace(grid, backbones=("RN50", "RN101"), config="rn50_ep50"))
    assert len({plan.job.folder for plan in same}) == 2


def test_base_to_new_tests_what_it_trained(tmp_path):
    train, test = (
        plan.job for plan in planned(grid_file(tmp_path, methods=["CoOp"], base_to_new=True))
    )
    assert train.folder == str(tmp_path / "out/train_base/plants/shots_1/CoOp/toy/seed1")
    assert test.folder == str(tmp_path / "out/test_new/plants/shots_1/CoOp/toy/seed1")
    assert test.needs == train.folder
    assert {"--eval-only", "--model-dir", train.folder} <= set(test.flags)


MISTAKES = {
    "unknown key": ({"method": ["CoOp"]}, "did you mean 'methods'?"),
    "unknown method": ({"methods": ["SoftCTP"]}, "did you mean 'SoftCPT'?"),
    "unknown key of a method": ({"methods": {"CoOp": {"sett": {}}}}, "did you mean 'set'?"),
    "unknown data": ({"data": ["emoji4"]}, "did you mean 'emoji44'?"),
    "unknown configuration": ({"config": "rn51_ep50"}, "rn50_ep50"),
    "unknown setting": ({"set": {"OPTIM.LRR": 1}}, "did you mean 'OPTIM.LR'"),
    "wrong type": ({"shots": ["many"]}, "shots"),
    "twice": ({"methods": ["CoOp", "CoOp"]}, "twice"),
    "unknown part of a folder": ({"layout": "{dta}"}, "{data}"),
    "one folder for two jobs": ({"layout": "{data}"}, "both write into"),
    "no methods": ({"methods": []}, "--methods"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_grid_file_is_named(tmp_path, mistake):
    keys, message = MISTAKES[mistake]
    with pytest.raises(UserError) as error:
        planned(grid_file(tmp_path, **keys))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_jobs_of_a_comparison_must_share_their_settings(tmp_path):
    methods = {"CoOp": None, "SoftCPT": {"set": {"OPTIM.MAX_EPOCH": 7, "OPTIM.LR": 0.5}}}
    plans = planned(grid_file(tmp_path, methods=methods))
    with pytest.raises(UserError, match=r"OPTIM\.MAX_EPOCH is 5 for CoOp and 7 for SoftCPT"):
        check_settings(plans)
    check_settings(plans, may_differ=["OPTIM.MAX_EPOCH"])


def test_what_only_training_needs_may_differ_where_nothing_is_trained(tmp_path):
    methods = {
        "CoOp": None,
        "ZeroshotCLIP": {"set": {"OPTIM.MAX_EPOCH": 7, "INPUT.TRANSFORMS": ["normalize"]}},
    }
    check_settings(planned(grid_file(tmp_path, methods=methods)))
    with pytest.raises(UserError, match=r"DATASET\.SUBSAMPLE_TASKS"):
        check_settings(
            planned(
                grid_file(
                    tmp_path,
                    methods={
                        "CoOp": None,
                        "ZeroshotCLIP": {"set": {"DATASET.SUBSAMPLE_TASKS": "task0"}},
                    },
                )
            )
        )


def test_shared_settings_are_printed_once(tmp_path):
    shared = dict(describe(planned(grid_file(tmp_path, shots=[1, 2])), "cpu"))
    assert (shared["epochs"], shared["batch size"], shared["shots"], shared["device"]) == (
        "5",
        "8",
        "1, 2",
        "cpu",
    )


def test_epochs_that_follow_from_steps_are_not_printed(tmp_path):
    grid = grid_file(tmp_path, set={"OPTIM.STEPS_PER_SHOT": 3})
    shared = dict(describe(planned(grid), "cpu"))
    assert "epochs" not in shared and shared["steps per shot (0: not given)"] == "3"


@pytest.mark.parametrize(
    "path", sorted((folder("configs") / "grids").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_grids_of_this_project_are_fair_comparisons(path):
    plans = plan_jobs(read_grid(path))
    check_settings(plans, read_grid(path).may_differ)
    assert len(plans) > 20


def test_flags_stand_in_the_place_of_the_files_keys(tmp_path):
    file = grid_file(tmp_path, methods={"CoOp": {"set": {"OPTIM.LR": 0.5}}, "SoftCPT": None})
    args = grid_flags.parser().parse_intermixed_args(
        [str(file), "--methods", "CoOp", "--shots", "1", "4", "OPTIM.MAX_EPOCH", "2", "--seed", "3"]
    )
    grid, pairs = grid_flags.grid_and_pairs(args)
    assert (grid.shots, grid.seeds, pairs) == ((1, 4), (3,), ["OPTIM.MAX_EPOCH", "2"])
    assert [(entry.name, entry.set) for entry in grid.methods] == [("CoOp", {"OPTIM.LR": 0.5})]


def test_images_of_your_own_are_data_as_train_py_has_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one/pets", "flowers"):
        (tmp_path / name / "a").mkdir(parents=True)
    words = ["--images", "one/pets", "flowers", "--methods", "ProtoNet"]
    words += ["--shots", "2", "OPTIM.MAX_EPOCH", "3"]

    def of(words, *more):
        args = grid_flags.parser().parse_intermixed_args([*more, *words])
        return plan_jobs(*grid_flags.grid_and_pairs(args))

    (plan,) = of(words, "--task-names", "pet", "a flower")
    assert plan.job.folder == str(tmp_path / "output/pets+flowers/ProtoNet/tiny_2shots/seed1")
    dataset = plan.cfg.DATASET
    assert ("MultiTask", str(tmp_path), 3) == (dataset.NAME, dataset.ROOT, plan.cfg.OPTIM.MAX_EPOCH)
    assert list(dataset.TASKS) == ["ImageFolder:one/pets", "ImageFolder:flowers"]
    assert list(dataset.TASK_NAMES) == ["pet", "a flower"]
    both = of(words, "--data", "dtd", "--root", str(tmp_path))
    assert [plan.cfg.DATASET.NAME for plan in both] == ["DescribableTextures", "MultiTask"]
    own = run_flags.parser().parse_args(["--trainer", "ProtoNet", *words[:3]])
    assert run_flags.setup_config(own).DATASET == of(words[:5])[0].cfg.DATASET
    file = tmp_path / "one/grid.yaml"
    file.write_text("methods: [CoOp]\ndata: {mine: {images: [pets], task_names: [pet]}}")
    (plan,) = of([str(file)])
    assert str(tmp_path / "one/pets") == plan.cfg.DATASET.ROOT and "/mine/" in plan.job.folder
    assert (plan.cfg.DATASET.NAME, plan.cfg.DATASET.TASK_NAME) == ("ImageFolder", "pet")
    with pytest.raises(UserError, match="--task-names: it names the tasks of --images"):
        of(["--methods", "CoOp", "--task-names", "pet"])


def test_files_in_a_grid_file_are_relative_to_it(tmp_path, monkeypatch):
    file = grid_file(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    assert len(planned(file)) == 2
    assert "images/data.yaml" in yaml.safe_load(file.read_text())["data"]["plants"]["of"]


@pytest.mark.parametrize(("count", "named"), [(3, True), (60, False)])
def test_an_overview_of_many_data_sets_adds_them_up(count, named):
    jobs = [
        Job(f"out/{index}", (), "CoOp", f"data-{index}", "", "", 1, 1) for index in range(count)
    ]
    text = overview.overview({job: JobStatus("left") for job in jobs})
    assert ("data-2" in text) == named
    assert text.splitlines()[-1].split() == ["all", str(count)]
