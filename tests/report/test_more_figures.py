"""Top-5, calibration, chance, classes and intervals over test images in a report, of new files and
of those of older versions."""

from __future__ import annotations

import csv
import math

import pytest
from scipy import stats

from softcpt.intervals import wilson_of_mean
from softcpt.report.class_figures import class_counts
from softcpt.report.html_page import page_data
from softcpt.report.markdown_page import markdown_page
from softcpt.report.sections import make_report
from softcpt.report.write import write_report
from tests.helpers.synthetic_results import run_of, with_more_figures, write

HALVES = {"a": 40.0, "b": 60.0}


def report(folder, *runs, **options):
    return make_report([write(folder, *runs)], **options)


def table(found, slug: str) -> dict[str, list[str]]:
    """Texts of a table's rows by the first cell."""
    rows = next(each for each in found.sections[0].tables if each.slug == slug).rows
    return {row.cells[0].text: [cell.text for cell in row.cells[1:]] for row in rows}


def records(found, folder, kind: str) -> list[dict[str, str]]:
    write_report(found, folder, ["csv"])
    with open(folder / "tables" / f"{kind}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_more_figures_are_means_over_tasks_and_seeds(tmp_path):
    runs = [
        with_more_figures(run_of("CoOp", 1, seed, {"a": 40.0 + gain, "b": 60.0}, zero_shot=HALVES))
        for seed, gain in ((1, 0.0), (2, 4.0))
    ]
    found = report(tmp_path / "in", *runs)
    assert table(found, "figures") == {
        "ZeroShot": [
            "zero-shot",
            *("50.00 ± 0.00", "60.00 ± 0.00", "50.00 ± 0.00", "10.00 ± 0.00", "5.00 ± 0.00"),
        ],
        "CoOp": [
            "1-shot",
            *("51.00 ± 1.00", "61.00 ± 1.00", "51.00 ± 1.00", "10.00 ± 0.00", "5.10 ± 0.10"),
        ],
    }
    assert "more figures" in markdown_page(found, {})
    shown = page_data(found)["benchmarks"][0]["figures"]
    assert shown["heads"] == ["accuracy", "top-5", "macro-F1", "chance", "ECE"]
    [coop] = [row for row in shown["rows"] if row["where"] == "1-shot"]
    assert [cell[0] for cell in coop["cells"]] == pytest.approx([51, 61, 51, 10, 5.1])


def test_every_run_task_and_class_has_a_row_of_its_own_in_the_csv_files(tmp_path):
    found = report(tmp_path / "in", with_more_figures(run_of("CoOp", 1, 3, {"a": 42.0, "b": 60.0})))
    rows = records(found, tmp_path / "out", "figures")
    assert [(row["task"], row["seed"], float(row["top5"])) for row in rows] == [
        ("a", "3", 52.0),
        ("b", "3", 70.0),
    ]
    low, high = stats.binomtest(42, 100).proportion_ci(method="wilson")
    found_interval = [float(rows[0][f"test_ci95_{end}"]) for end in ("low", "high")]
    assert found_interval == pytest.approx([100 * low, 100 * high])
    rows = records(found, tmp_path / "out", "classes")
    assert [(row["class"], row["correct"]) for row in rows if row["task"] == "a"][3:6] == [
        ("class 3", "10"),
        ("class 4", "2"),
        ("class 5", "0"),
    ]
    assert len(rows) == 20 and float(rows[4]["accuracy"]) == 20


def test_a_single_run_has_the_interval_over_its_test_images_where_seeds_give_none(tmp_path):
    runs = [run_of("CoOp", 1, 1, {"a": 40.0, "b": 64.0}, zero_shot=HALVES)]  # an old file
    low, high = wilson_of_mean([(40, 100), (64, 100)])
    found = report(tmp_path / "one", *runs)
    rows = table(found, "few-shot-intervals")
    assert rows["CoOp"] == [f"52.00 [{low:.2f} to {high:.2f}]"]
    low_zs, high_zs = wilson_of_mean([(40, 100), (60, 100)])
    assert rows["ZeroShot"] == [f"50.00 [{low_zs:.2f} to {high_zs:.2f}]"]
    cells = page_data(found)["benchmarks"][0]["kinds"]["all"]["cells"]
    assert cells[1][0][0] == pytest.approx([52, 0, None, 1, low, high])
    [row] = [
        each
        for each in records(found, tmp_path / "out", "accuracy")
        if each["method"] == "CoOp" and each["task"] == "mean over tasks"
    ]
    assert float(row["test_ci95_low"]) == pytest.approx(low) and row["ci95_low"] == ""

    # Two seeds have Student's interval, and zero-shot that of its images still.
    runs.append(run_of("CoOp", 1, 2, {"a": 42.0, "b": 64.0}, zero_shot=HALVES))
    rows = table(report(tmp_path / "two", *runs), "few-shot-intervals")
    assert "(" in rows["CoOp"][0] and rows["ZeroShot"] == [f"50.00 [{low_zs:.2f} to {high_zs:.2f}]"]


def test_a_figure_that_is_no_share_of_images_has_no_such_interval(tmp_path):
    result = run_of(tasks=HALVES)
    for task in result["tasks"]["CoOp"]:
        task["macro_f1"] = task["metric"] - 10
    found = report(tmp_path, result, metric="macro_f1")
    assert table(found, "few-shot-intervals")["CoOp"] == ["40.00"]


def test_data_sets_of_one_task_each_are_tasks_of_one_benchmark(tmp_path):
    runs = [
        with_more_figures(run_of(dataset=name, tasks={"it": value}))
        for name, value in (("Pets", 40.0), ("Cars", 60.0))
    ]
    found = report(tmp_path, *runs)
    assert table(found, "figures")["CoOp"][:3] == ["1-shot", "50.00", "60.00"]
    low, high = wilson_of_mean([(40, 100), (60, 100)])
    assert table(found, "few-shot-intervals")["CoOp"] == [f"50.00 [{low:.2f} to {high:.2f}]"]


def test_files_of_older_versions_show_what_they_have(tmp_path):
    found = report(tmp_path / "in", run_of(tasks=HALVES))
    assert table(found, "figures") == {"CoOp": ["1-shot", "50.00", "–", "50.00", "–", "–"]}
    write_report(found, tmp_path / "out", ["csv", "html", "md"])
    assert not (tmp_path / "out" / "tables" / "classes.csv").exists()
    mixed = [run_of(seed=1, tasks=HALVES), with_more_figures(run_of(seed=2, tasks=HALVES))]
    rows = table(report(tmp_path / "mixed", *mixed), "figures")
    assert rows["CoOp"] == ["1-shot", "50.00 ± 0.00", "–", "50.00 ± 0.00", "–", "–"]


def test_an_ordinal_task_has_a_column_of_its_own_errors(tmp_path):
    runs = []
    for seed, error in ((1, 3.0), (2, 5.0)):
        runs.append(run_of("CoOp", 1, seed, HALVES, zero_shot=HALVES))
        for method, own in (("CoOp", error), ("ZeroShot", 8.0)):
            runs[-1]["tasks"][method][1]["mae"] = own
    found = report(tmp_path / "in", *runs)
    rows = table(found, "figures")
    assert rows["CoOp"][-1] == "4.00 ± 1.00" and rows["ZeroShot"][-1] == "8.00 ± 0.00"
    shown = page_data(found)["benchmarks"][0]["figures"]
    assert shown["heads"][5:] == ["MAE, b"]
    page = markdown_page(found, {})
    assert "MAE, b" in page and "in their unit" in page
    kept = [(row["task"], row["mae"]) for row in records(found, tmp_path / "out", "figures")]
    assert kept.count(("a", "")) == 4 and kept.count(("b", "8.0")) == 2
    runs[0]["tasks"]["CoOp"][1].pop("mae")  # written by an older version
    assert table(report(tmp_path / "mixed", *runs), "figures")["CoOp"][-1] == "–"


def test_a_task_without_a_figure_leaves_its_mean_unknown(tmp_path):
    result = with_more_figures(run_of(tasks=HALVES))
    result["tasks"]["CoOp"][0] |= {"ece": None, "macro_f1": math.nan}
    rows = table(report(tmp_path, result), "figures")
    assert rows["CoOp"] == ["1-shot", "50.00", "60.00", "–", "10.00", "–"]


def test_confusions_are_summed_over_seeds_and_zero_shot_counts_once(tmp_path):
    tasks = {"a": 75.0, "b": 100.0}
    runs = [
        with_more_figures(run_of(seed=seed, tasks=tasks, zero_shot=tasks)) for seed in (1, 2, 3)
    ]
    found = report(tmp_path / "in", *runs)
    benchmark = found.sections[0].benchmark
    zero_shot, coop = class_counts(benchmark)
    assert (zero_shot.seeds, coop.seeds) == (1, 3)
    a, b = coop.tasks
    assert a.images == (30,) * 10 and a.correct_of_class == (*[30] * 7, 15, 0, 0)
    assert a.confusion == ((8, 0, 30), (9, 0, 30), (7, 0, 15))
    assert b.confusion == () and zero_shot.tasks[0].confusion[0] == (8, 0, 10)
    rows = records(found, tmp_path / "out", "confusions")
    mine = [row for row in rows if row["method"] == "CoOp" and row["seed"] == "2"]
    assert [(row["class"], row["taken_for"], row["images"]) for row in mine] == [
        ("class 7", "class 0", "5"),
        ("class 8", "class 0", "10"),
        ("class 9", "class 0", "10"),
    ]
    page = page_data(found)["benchmarks"][0]["perClass"]
    assert page["images"] == [["a" * 10] * 2, ["u" * 10] * 2] and len(page["names"]) == 1
    assert page["rows"][1]["correct"][0] == "uuuuuuuf00"


def test_runs_with_other_classes_have_no_counts_together(tmp_path):
    first, second = (with_more_figures(run_of(seed=seed, tasks=HALVES)) for seed in (1, 2))
    second["class_names"]["a"][0] = "another"
    [counts] = class_counts(report(tmp_path / "in", first, second).sections[0].benchmark)
    assert counts.tasks[0] is None and counts.tasks[1].total == 200
