"""The lines of log.txt that the field's parse_test_res.py reads, stated from its rules and not from
our writer.

Dassl's and CoOp's parser looks into the file log.txt of every folder, takes "* accuracy: 12.3%"
behind a line that is exactly "Finish training" (or "=> result" with --test-log), the last one of
several. SoftCPT's waits for "Finished training", reads "* overall_metric: 12.34%", and of "* task:"
lines the first integer and what stands behind "metric:".
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from softcpt.report.log_txt import read_log
from softcpt.report.results_json import read_results
from tests.helpers.runs import interrupted_before, run


def behind(lines: list[str], signal: str, keyword: str) -> float | None:
    """The number that a parser waiting for ``signal`` ends with."""
    heard, number = False, None
    for line in lines:
        heard = heard or line == signal
        if heard and (match := re.search(rf"\* {keyword}: ([\.\deE+-]+)%", line)):
            number = float(match[1])
    return number


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    run(folder, "CoOp", out="out/seed1")
    return folder / "out" / "seed1"


def log_lines(folder: Path) -> list[str]:
    return [line.strip() for line in (folder / "log.txt").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("signal", ["Finish training", "Finished training", "=> result"])
@pytest.mark.parametrize(
    "keyword, key",
    [
        ("accuracy", "accuracy"),
        ("overall_metric", "overall_metric"),
    ],
)
def test_both_parsers_find_the_final_figures(finished, signal, keyword, key):
    overall = json.loads((finished / "results.json").read_text())["overall"]["CoOp"]
    assert behind(log_lines(finished), signal, keyword) == pytest.approx(overall[key], abs=0.00501)


@pytest.mark.parametrize("signal", ["Finish training", "Finished training"])
def test_training_ends_once(finished, signal):
    assert log_lines(finished).count(signal) == 1


def test_lines_of_tasks_give_number_and_metric(finished):
    lines = [line for line in log_lines(finished) if "* task:" in line]
    tasks = json.loads((finished / "results.json").read_text())["tasks"]["CoOp"]
    assert [int(re.findall(r"\d+", line)[0]) for line in lines] == list(range(len(tasks)))
    for line, task in zip(lines, tasks):
        assert float(line.split("metric:")[-1][:-1].strip()) == pytest.approx(
            task["metric"], abs=0.00501
        )


def test_no_control_characters_reach_the_log(finished):
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f]", (finished / "log.txt").read_text(encoding="utf-8")
    )


def test_a_run_that_was_stopped_and_continued_has_its_result_in_log_txt(tmp_path):
    with interrupted_before(3):
        run(tmp_path, "CoOp", out="seed1")
    run(tmp_path, "CoOp", out="seed1")
    assert behind(log_lines(tmp_path / "seed1"), "Finish training", "accuracy") is not None


def test_our_own_results_json_is_read(finished):
    zero_shot, trained = read_results(finished / "results.json")
    assert (zero_shot.method, trained.method, trained.shots) == ("ZeroShot", "CoOp", -1)
    assert (
        trained.own and trained.cost.seconds["total"] > 0 and trained.options["OPTIM.LR"] == "0.02"
    )
    assert {key for key in trained.settings if key.startswith("versions.")} > {
        "versions.torch",
        "versions.python",
    }


def test_our_own_log_reads_as_its_results_json(finished):
    found, run = read_log(finished / "log.txt"), json.loads((finished / "results.json").read_text())
    assert (found.method, found.dataset, found.seed) == ("CoOp", "Toy", 1)
    assert found.overall["metric"] == pytest.approx(
        run["overall"]["CoOp"]["overall_metric"], abs=0.00501
    )
    assert {name: each["metric"] for name, each in found.tasks.items()} == pytest.approx(
        {task["name"]: task["metric"] for task in run["tasks"]["CoOp"]}, abs=0.00501
    )
