"""The transferability study: its matrices, groups and correlations against plain statements, and
the command."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from scipy.stats import spearmanr

from softcpt.study.findings import Findings
from softcpt.study.findings import write as write_study
from softcpt.study.matrix import Matrix
from softcpt.study.similarity import correlation, coverage
from softcpt.study.study_file import read_study
from softcpt.study.study_jobs import StudyPlan
from softcpt.study.task_groups import expected_gain, suggest
from softcpt.tasks import Task, TaskSet
from tests.helpers.runs import softcpt_command
from tests.helpers.toy import CONFIG, WEIGHTS

ROOT = Path(__file__).resolve().parent.parent.parent
CLASSES = {
    "red things": ["rose", "brick"],
    "green things": ["oak", "elm", "frog"],
    "blue things": ["sea", "sky"],
}


def study_file(folder: Path, **keys) -> Path:
    """Three tasks of generated images, one shot, one epoch, a tiny random CLIP."""
    generator, rows = np.random.default_rng(0), []
    for task, names in CLASSES.items():
        for name, (part, count) in product(names, {"train": 1, "val": 1, "test": 3}.items()):
            colour = generator.integers(0, 226, 3)
            for number in range(count):
                path = folder / f"{name}-{part}-{number}.png"
                Image.fromarray(
                    (colour + generator.integers(0, 30, (32, 32, 3))).astype(np.uint8)
                ).save(path)
                rows.append([path.name, name, part, task])
    with open(folder / "images.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "split", "task"], *rows])
    (folder / "data.yaml").write_text(
        yaml.safe_dump({"DATASET": {"NAME": "CSV", "ROOT": str(folder / "images.csv")}})
    )
    tree = yaml.safe_load(CONFIG) | {
        "MODEL": {"BACKBONE": {"NAME": str(WEIGHTS)}},
        "FEATURES": {"VIEWS": 1},
    }
    tree["OPTIM"] |= {"MAX_EPOCH": 1, "WARMUP_EPOCH": 0}
    (folder / "toy.yaml").write_text(yaml.safe_dump(tree))
    study = {
        "methods": {"CoOp": {"of": "CoOp-MT"}},
        "data": "data.yaml",
        "config": "toy.yaml",
        "shots": 1,
        "seeds": [2],
        "readings": ["joint", "source", "zero-shot"],
        "output": str(folder / "out"),
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study | keys))
    return path


run = partial(softcpt_command, "transfer")


def result(folder: Path, below: str) -> dict:
    return json.loads((folder / "out" / "CoOp" / below / "results.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study that has been run, and its folder."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTCPT_CACHE", str(folder / "cache"))
        assert run(study_file(folder), "--workers", 1) == 0
    return folder


def test_every_pair_is_trained_in_every_reading(finished):
    joint, alone = (
        result(finished, "joint/red-things+blue-things/seed2"),
        result(finished, "alone/red-things/seed2"),
    )
    adapted = result(finished, "source-red-things/blue-things/seed2")
    tested = result(finished, "zero-shot-red-things/blue-things/seed2")
    assert joint["shared"]["tasks"] == ["red things", "blue things"] and joint["trained"]
    assert alone["shared"]["tasks"] == ["red things"] and adapted["shared"]["tasks"] == [
        "blue things"
    ]
    assert adapted["trained"] and adapted["source"]["prompt"].startswith(
        str(finished / "out/CoOp/alone/red-things/seed2")
    )
    assert not tested["trained"] and tested["loaded"]["prompt"] == adapted["source"]["prompt"]
    parts = [path.parts[-4] for path in finished.glob("out/CoOp/*/*/seed2/results.json")]
    assert [parts.count("alone"), parts.count("joint"), sum("-" in part for part in parts)] == [
        3,
        3,
        9 + 6,
    ]


def test_matrices_hold_what_the_runs_reached(finished):
    tree = json.loads((finished / "out/study/study.json").read_text())
    joint, source, _ = tree["matrices"]
    assert [matrix["reading"] for matrix in tree["matrices"]] == ["joint", "source", "zero-shot"]
    red, blue = tree["tasks"].index("red things"), tree["tasks"].index("blue things")

    def metrics(below):
        return [task["metric"] for task in result(finished, below)["tasks"]["CoOp-MT"]]

    [pair], [start], [alone] = joint["paired"], source["paired"], source["alone"]
    assert [pair[blue][red], pair[red][blue]] == metrics("joint/red-things+blue-things/seed2")
    assert [start[red][blue]] == metrics("source-red-things/blue-things/seed2")
    assert [alone[blue]] == [pair[blue][blue]] == metrics("alone/blue-things/seed2")
    assert [start[blue][blue]] == metrics("source-blue-things/blue-things/seed2")
    gain = start[red][blue] - alone[blue]
    assert source["gains"][red][blue] == pytest.approx(gain)
    with open(finished / "out/study/CoOp-source.csv") as file:
        rows = list(csv.DictReader(file))
    mine = [
        float(row["gain"])
        for row in rows
        if (row["source"], row["target"]) == ("red things", "blue things")
    ]
    assert np.mean(mine) == pytest.approx(gain, abs=1e-3)


def test_groups_are_chosen_on_validation_images_and_trained(finished):
    tree, text = (
        json.loads((finished / "out/study/study.json").read_text()),
        (finished / "out/study/study.md").read_text(),
    )
    assert "on validation images" in text and "![CoOp, joint](CoOp-joint.svg)" in text
    assert (finished / "out/study/CoOp-joint.svg").read_text().startswith("<?xml")
    together = result(finished, "group/tasks-0-1-2/seed2")
    assert tree["groups"]["CoOp"]["together"][0] == [
        task["metric"] for task in together["tasks"]["CoOp-MT"]
    ]
    assert sorted(task for group in tree["groups"]["CoOp"]["groups"] for task in group) == [0, 1, 2]


def test_a_finished_study_trains_nothing_again(finished, capsys):
    files = {path: path.stat().st_mtime_ns for path in finished.glob("out/CoOp/**/results.json")}
    assert run(finished / "study.yaml") == 0
    assert {
        path: path.stat().st_mtime_ns for path in finished.glob("out/CoOp/**/results.json")
    } == files
    assert run(finished / "study.yaml", "--list") == 0
    assert "source-red-things" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"methods": ["CoOp"]}, "use CoOp-MT, one prompt for all"),
        ({"methods": []}, "no methods; give some that train one prompt"),
        ({"readings": ["both"]}, "there is no both; choose from joint, source, zero-shot"),
        (
            {"tasks": [0, 3]},
            "has 3 task(s); name a data set of several, and tasks by numbers from 0 to 2",
        ),
        ({"tasks": [1]}, "give two tasks or more"),
        ({"shot": 1}, "did you mean 'shots'"),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path, capsys, keys, message):
    assert run(study_file(tmp_path, **keys)) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error


@pytest.mark.slow
def test_without_a_file_it_is_the_study_that_comes_with_the_project(tmp_path, capsys):
    assert run("--list", "--output", tmp_path / "out") == 0
    listed = capsys.readouterr().out
    assert (
        "CoOp-MT smiling-faces+cat-faces joint 4 shots seed 3" in listed
        and not (tmp_path / "out").exists()
    )
    assert run("OPTIM.LR") == 2
    assert "'OPTIM.LR' has no value; give a study file" in capsys.readouterr().err


def test_without_matplotlib_the_study_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    gains = np.random.default_rng(0).normal(size=(2, 3, 3))
    matrix = Matrix("CoOp", "joint", np.full((2, 3), 50.0), 50 + gains)
    found = Findings(["a", "b", "c"], "About.", [matrix], {"visual": gains[0]})
    text = write_study(found, tmp_path).read_text()
    assert "*Figure left out: matplotlib is not installed; pip install matplotlib*" in text
    assert {path.name for path in tmp_path.iterdir()} == {
        *("CoOp-joint.csv", "study.json", "study.md"),
    }


@pytest.mark.parametrize(
    "word, message",
    [
        ("transfer21", "did you mean 'transfer12'? There are transfer12, transfer_elevater20"),
        ("my/study.yaml", "no such file; there are transfer12"),
    ],
)
def test_a_wrong_name_lists_the_studies_that_there_are(word, message, capsys):
    assert run(word, "--list") == 2
    assert message in capsys.readouterr().err


def test_gains_are_over_the_target_alone():
    alone = np.array([[50.0, 60.0], [52.0, 62.0]])
    paired = np.array([[[50.0, 65.0], [40.0, 60.0]], [[52.0, 69.0], [46.0, 62.0]]])
    assert Matrix("CoOp", "joint", alone, paired).gains.tolist() == [[0.0, 6.0], [-8.0, 0.0]]


def test_tasks_that_help_each_other_are_grouped():
    block = np.kron(np.eye(2), np.ones((3, 3)))
    assert suggest(np.where(block, 2.0, -2.0)) == [[0, 1, 2], [3, 4, 5]]
    assert suggest(np.ones((4, 4))) == [[0, 1, 2, 3]]
    assert suggest(-np.ones((4, 4))) == [[0], [1], [2], [3]]


def test_the_expected_gain_of_a_partition():
    gains = np.array([[0.0, 1.0, 5.0], [3.0, 0.0, 7.0], [-1.0, 9.0, 0.0]])
    assert expected_gain(gains, np.array([1, 1, 2])) == pytest.approx(3 + 1)
    assert expected_gain(gains, np.array([1, 1, 1])) == pytest.approx(
        (3 - 1) / 2 + (1 + 9) / 2 + (5 + 7) / 2
    )


def test_coverage_is_the_best_cosine_of_each_target_class():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    table = coverage(vectors, TaskSet([Task("a", ["x", "y"]), Task("b", ["z"])]), (0, 1))
    np.testing.assert_allclose(table, [[1.0, 0.5**0.5], [0.5**0.5, 1.0]], atol=1e-6)


def test_correlation_is_spearmans_and_its_p_value_knows_shared_tasks():
    generator = np.random.default_rng(1)
    similarity, pairs = generator.normal(size=(8, 8)), ~np.eye(8, dtype=bool)
    for gains in (similarity + 0.2 * generator.normal(size=(8, 8)), generator.normal(size=(8, 8))):
        found = correlation(gains, similarity)
        assert found.rho == pytest.approx(spearmanr(gains[pairs], similarity[pairs]).statistic)
    assert found.p > 0.05 and correlation(similarity, similarity).p < 0.001
    # One odd task makes its 14 pairs alike in both tables. A test that takes pairs as independent
    # is certain there.
    odd = np.zeros((8, 8))
    odd[0, :] = odd[:, 0] = 1.0
    naive = spearmanr(odd[pairs], odd[pairs]).pvalue
    assert naive < 1e-6 and 0.05 < correlation(odd, odd).p < 0.2


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs/studies").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_studies_of_this_project_can_be_planned(path):
    """On the data that comes with the project."""
    study = replace(read_study(path), data="emoji44", tasks=(0, 2, 5), seeds=(1,))
    runs = StudyPlan(study).of_pairs()
    assert len(runs) == len(study.methods) * (3 + 3 + 9)
    assert {run.planned.cfg.DATASET.NUM_SHOTS for run in runs} == {study.shots}
