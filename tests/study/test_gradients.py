"""The reading of a study that trains no pairs: affinities, and how they agree with what pairs
gained."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from softcpt import UserError
from softcpt.study.affinities import Affinities, agreement, between_seeds, groups_agree
from softcpt.study.earlier import read_earlier
from softcpt.study.findings import Findings
from softcpt.study.findings import write as write_study
from softcpt.study.matrix import Matrix
from tests.study.test_study import result, run, study_file

NAMES = ["red things", "green things", "blue things"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of joint pairs and gradients that has been run, and its folder."""
    folder = tmp_path_factory.mktemp("study")
    file = study_file(folder, readings=["joint", "gradients"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTCPT_CACHE", str(folder / "cache"))
        assert run(file, "--workers", 1) == 0
    return folder


def tree_of(folder) -> dict:
    return json.loads((folder / "study.json").read_text())


@pytest.mark.slow
def test_one_run_on_all_tasks_gives_the_table(finished):
    run_folder = "gradients/tasks-0-1-2/seed2"
    measured = result(finished, run_folder)
    assert measured["shared"]["tasks"] == NAMES and measured["shared"]["split"] == "test"
    study = tree_of(finished / "out/study")
    assert [one["images"] for one in study["affinities"]] == ["val", "train"]
    for one in study["affinities"]:
        table = 100 * np.array(measured["affinities"][one["images"]])
        np.testing.assert_allclose(one["affinities"], table)
        with open(finished / f"out/study/CoOp-gradients-{one['images']}.csv") as file:
            rows = {(row["source"], row["target"]): row["affinity"] for row in csv.DictReader(file)}
        assert float(rows[NAMES[0], NAMES[2]]) == pytest.approx(table[0, 2], abs=1e-5)
    # The run is that on all tasks together, bit for bit.
    together = result(finished, "group/tasks-0-1-2/seed2")
    assert together["tasks"]["CoOp-MT"] == measured["tasks"]["CoOp-MT"]


@pytest.mark.slow
def test_the_report_compares_gradients_with_pairs_and_says_on_which_images(finished):
    text = (finished / "out/study/study.md").read_text()
    assert "never on test images" in text
    assert "## CoOp: gradients, on validation images" in text
    assert "## CoOp by gradients: suggested groups" in text
    assert "Chosen by affinities on validation images, then trained. Adjusted Rand index" in text
    assert (finished / "out/study/CoOp-gradients-val.svg").read_text().startswith("<?xml")
    tree = tree_of(finished / "out/study")
    [joint] = tree["affinities"][0]["agreement"]
    assert joint["reading"] == "joint" and joint["between_seeds"] is None
    assert set(tree["groups"]) == {"CoOp", "CoOp by gradients"}


@pytest.mark.slow
def test_gradients_alone_are_compared_with_an_earlier_study(finished, capsys):
    flags = ("--readings", "gradients", "--against", finished / "out/study")
    files = {path: path.stat().st_mtime_ns for path in finished.glob("out/CoOp/**/results.json")}
    assert run(finished / "study.yaml", *flags) == 0
    after = {path: path.stat().st_mtime_ns for path in finished.glob("out/CoOp/**/results.json")}
    assert after == files  # all of its runs were there
    whole, part = (tree_of(finished / f"out/{name}") for name in ("study", "study-gradients"))
    assert part["affinities"] == whole["affinities"] and part["matrices"] == []
    text = (finished / "out/study-gradients/study.md").read_text()
    assert "`python -m softcpt transfer study.yaml --readings gradients --against " in text
    assert "Adjusted Rand index" in text
    capsys.readouterr()
    for wrong, message in (
        (("--readings", "both"), "--readings: there is no both; choose from joint, source"),
        (("--readings", ","), "--readings: there are none"),
        (("--against", finished, "--readings", "joint"), "add --readings gradients"),
        (("--against", finished / "nothing", "--readings", "gradients"), "nothing"),
    ):
        assert run(finished / "study.yaml", *wrong) == 2
        error = capsys.readouterr().err.strip()
        assert message in error and "\n" not in error


def test_a_study_of_other_tasks_is_refused(tmp_path):
    gains = np.zeros((1, 3, 3))
    matrix = Matrix("CoOp", "joint", np.full((1, 3), 50.0), 50 + gains)
    write_study(Findings(NAMES, "About.", [matrix], {"visual": gains[0]}), tmp_path)
    found = read_earlier(tmp_path, NAMES)
    assert found.matrices[0].gains.tolist() == gains[0].tolist() and found.groups == {}
    with pytest.raises(UserError, match="its tasks are red things, green things, blue things, and"):
        read_earlier(tmp_path, ["a", "b", "c"])
    (tmp_path / "study.json").write_text('{"tasks": 3}')
    with pytest.raises(UserError, match="it is damaged"):
        read_earlier(tmp_path, NAMES)


def test_agreement_is_of_ranks_and_of_best_sources():
    generator = np.random.default_rng(0)
    alone = np.full((2, 4), 50.0)
    gains = generator.normal(size=(2, 4, 4))
    for seed in gains:
        np.fill_diagonal(seed, 0)
    pairs = Matrix("CoOp", "joint", alone, alone[:, None] + gains)
    same = agreement(Affinities("CoOp", "val", alone, np.exp(gains.mean(axis=0))[None]), pairs)
    assert same.correlation.rho == pytest.approx(1) and same.same_partner == 4
    assert same.by_partner == same.by_best
    found = Affinities("CoOp", "val", alone, generator.normal(size=(2, 4, 4)))
    other, off = agreement(found, pairs), ~np.eye(4, dtype=bool)
    table, mean = found.gains, gains.mean(axis=0)
    assert other.correlation.rho == pytest.approx(spearmanr(table[off], mean[off]).statistic)
    best = [max((i for i in range(4) if i != j), key=lambda i: table[i, j]) for j in range(4)]
    assert other.by_partner == pytest.approx(np.mean([mean[i, j] for j, i in enumerate(best)]))
    assert other.by_any == pytest.approx(mean[off].mean())
    assert between_seeds(pairs) == pytest.approx(spearmanr(gains[0][off], gains[1][off]).statistic)


def test_groups_agree_as_far_as_their_pairs_do():
    assert groups_agree([[0, 1], [2, 3]], [[2, 3], [0, 1]]) == 1
    assert groups_agree([[0, 1], [2, 3]], [[0, 2], [1, 3]]) < 0
