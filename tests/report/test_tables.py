"""What stands together, what is missing, and the figures of the tables, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from softcpt.report.accuracy_tables import few_shot
from softcpt.report.benchmark import Benchmark
from softcpt.report.comparisons import contest, contests
from softcpt.report.html_page import html_page
from softcpt.report.plots import figures
from softcpt.report.published import _data, paper_order, published_rows
from softcpt.report.relations import similarity
from softcpt.report.run_result import Contexts
from softcpt.report.sections import Report, make_report
from softcpt.report.table import Table
from softcpt.report.write import write_report
from tests.helpers.synthetic_results import run_of, write

BASE = {"a": 50.0, "b": 60.0}


def report(folder, *runs, **options) -> Report:
    return make_report([write(folder, *runs)], **options)


def only(found: Report) -> Benchmark:
    assert len(found.sections) == 1
    return found.sections[0].benchmark


def table(found: Report, slug: str, section: int = 0) -> dict[str, list[str]]:
    """Texts of a table's rows by their first cell."""
    rows: Table = next(each for each in found.sections[section].tables if each.slug == slug)
    return {row.cells[0].text: [cell.text for cell in row.cells[1:]] for row in rows.rows}


def shots_and_seeds(method: str, values: dict[tuple[int, int], float], **more) -> list[dict]:
    """Runs of two tasks whose mean is the given value."""
    return [
        run_of(method, shots, seed, {"a": value - 5, "b": value + 5}, **more)
        for (shots, seed), value in values.items()
    ]


def test_the_few_shot_table_is_the_papers(tmp_path):
    values = {(1, 1): 60, (1, 2): 62, (1, 3): 67, (2, 1): 70, (2, 2): 70, (2, 3): 73}
    found = report(tmp_path, *shots_and_seeds("CoOp", values, zero_shot=BASE))
    rows = table(found, "few-shot")
    assert rows["CoOp"] == [
        "63.00 ± 2.94",
        "71.00 ± 1.41",
        "67.00 ± 2.18",
    ]  # Avg.: means of the means and of the stds
    assert rows["ZeroShot"] == ["–", "–", "55.00 ± 0.00"]
    half = (
        stats.t.ppf(0.975, 2) * np.std([65.0, 66.0, 70.0], ddof=1) / 3**0.5
    )  # of each seed's mean over shots
    assert few_shot(only(found), "CoOp", None).half_width == pytest.approx(half)
    assert table(found, "few-shot-intervals")["CoOp"][0] == "63.00 (54.04 to 71.96)"


def test_a_missing_seed_is_told_and_a_missing_shot_is_not_averaged_over(tmp_path):
    found = report(
        tmp_path,
        *shots_and_seeds("CoOp", {(1, 1): 60, (1, 2): 62, (2, 1): 70, (2, 2): 71}),
        *shots_and_seeds("SoftCPT", {(1, 2): 90}),
    )
    assert table(found, "few-shot")["SoftCPT"] == ["90.00 (n=1)", "missing", "missing"]
    assert "missing: SoftCPT, 1-shot: no whole result for seed 1" in found.sections[0].notes
    assert "missing: SoftCPT, 2-shot: no whole result for seeds 1 and 2" in found.sections[0].notes


def test_one_lucky_seed_is_not_marked_as_the_best(tmp_path):
    found = report(
        tmp_path,
        *shots_and_seeds("CoOp", {(1, 1): 60, (1, 2): 62}),
        *shots_and_seeds("SoftCPT", {(1, 2): 90}),
        *shots_and_seeds("KgCoOp", {(1, 1): 50, (1, 2): 50}),
    )
    rows = next(each for each in found.sections[0].tables if each.slug == "few-shot").rows
    assert [cell.text for row in rows for cell in row.cells if cell.best] == ["61.00 ± 1.00"]


def test_a_task_without_a_figure_is_missing_and_so_is_the_mean_over_tasks(tmp_path):
    found = report(
        tmp_path,
        run_of(seed=1, tasks={"a": 50.0, "b": 60.0}),
        run_of(seed=2, tasks={"a": 54.0, "b": math.nan}),
    )
    assert table(found, "few-shot")["CoOp"] == ["55.00 (n=1)"]
    assert table(found, "tasks-1-shot") == {
        "a": ["52.00 ± 2.00"],
        "b": ["60.00 (n=1)"],
        "mean over tasks": ["55.00 (n=1)"],
    }
    assert any("no figure for b" in note for note in found.sections[0].notes)


def test_one_run_of_one_task_makes_a_report(tmp_path):
    found = report(tmp_path, run_of(tasks={"a": 50.0}))
    assert table(found, "few-shot") == {"CoOp": ["50.00"]}
    assert found.sections[0].contests == []


def test_runs_under_other_settings_are_not_compared(tmp_path):
    found = report(
        tmp_path,
        run_of("CoOp"),
        run_of("SoftCPT"),
        run_of("SoftCPT", shared={"device": "cpu", "precision": "fp32"}),
    )
    assert found.differing == {"device": ["NVIDIA A100", "cpu"], "precision": ["fp16", "fp32"]}
    assert [section.benchmark.methods() for section in found.sections] == [
        ["CoOp", "SoftCPT"],
        ["SoftCPT"],
    ]
    assert "device" not in found.shared and found.shared["views"] == 0


def test_files_of_before_final_model_was_a_shared_setting_stand_with_those_of_after(tmp_path):
    validated = {"config": "TEST:\n  FINAL_MODEL: best_val\n"}
    found = report(
        tmp_path,
        run_of("CoOp"),
        run_of("SoftCPT", shared={"final_model": "last_step"}, selected=None),
        run_of("KgCoOp", **validated),
        run_of("PLOT", shared={"final_model": "best_val"}),
    )
    assert [section.benchmark.methods() for section in found.sections] == [
        ["CoOp", "SoftCPT"],
        ["KgCoOp", "PLOT"],
    ]
    assert found.differing == {"final_model": ["last_step", "best_val"]}


def test_a_setting_may_be_ignored_by_name_or_pattern(tmp_path):
    runs = [run_of("CoOp"), run_of("SoftCPT", versions={"python": "3.12", "torch": "2.9"})]
    assert len(report(tmp_path, *runs).groups) == 2
    assert len(report(tmp_path, *runs, ignore=["versions.*"]).groups) == 1


def test_zero_shot_runs_stand_beside_all_that_were_tested_alike(tmp_path):
    alone = run_of(
        "ZeroShot", 4, 1, {"a": 50.0, "b": 60.0}, shared={"transforms": ["normalize"], "views": 0}
    )
    found = report(
        tmp_path, run_of("CoOp", shared={"views": 2}), run_of("CoOp", shared={"views": 3}), alone
    )
    assert [section.benchmark.methods() for section in found.sections] == [["ZeroShot", "CoOp"]] * 2


def test_settings_of_a_method_that_differ_become_part_of_its_name(tmp_path):
    found = report(
        tmp_path, run_of("CoOp", n_ctx=4), run_of("CoOp", n_ctx=16), run_of("SoftCPT", lr=0.1)
    )
    assert only(found).methods() == ["CoOp (n_ctx=4)", "CoOp (n_ctx=16)", "SoftCPT"]


def test_of_many_variants_each_is_called_by_what_is_its_own(tmp_path):
    long = [{"n_ctx": f"{number}, " * 60} for number in (1, 2)]
    found = report(
        tmp_path, *(run_of("CoOp", **own) for own in ({}, {"lr": 0.1}, {"lr": 0.2}, *long))
    )
    names = only(found).methods()
    assert {"CoOp", "CoOp (lr=0.1)", "CoOp (lr=0.2)"} < set(names)
    cut = [name for name in names if "..." in name]
    assert len(set(cut)) == 2 and max(map(len, names)) < 60
    written = write_report(found, tmp_path / "out")
    assert max(len(path.name) for path in written) < 200


@pytest.mark.parametrize("count", [20, 150])
def test_every_task_has_a_panel_where_it_can_be_read(tmp_path, count):
    tasks = {f"task {number}": 50.0 for number in range(count)}
    found = report(tmp_path, *(run_of("CoOp", shots, tasks=tasks) for shots in (1, 2)))
    names = [planned.name for planned in figures(only(found))]
    assert ("tasks" in names) == (count < 120) and "accuracy" in names


def test_names_of_any_length_are_names_of_files(tmp_path):
    found = report(tmp_path, run_of(dataset="data set " * 40), run_of(dataset="data set " * 41))
    slugs = [section.slug for section in found.sections]
    assert len(set(slugs)) == 2 and max(map(len, slugs)) < 100
    assert write_report(found, tmp_path / "out")


def test_training_longer_for_more_shots_is_one_protocol(tmp_path):
    found = report(tmp_path, run_of("CoOp", 1, lr=0.1), run_of("CoOp", 16, lr=0.2))
    assert only(found).methods() == ["CoOp"]
    assert table(found, "own-settings")["OPTIM.LR"] == ["0.1, 0.2"]


def test_two_results_for_one_place_are_told_unless_they_agree(tmp_path):
    same = report(tmp_path / "same", run_of(), run_of())
    assert not same.sections[0].notes
    other = report(tmp_path / "other", run_of(tasks=BASE), run_of(tasks={"a": 51.0, "b": 60.0}))
    assert "run0001" in other.sections[0].notes[0] and "left out" in other.sections[0].notes[0]
    assert table(other, "few-shot")["CoOp"] == ["55.00"]


def test_zero_shot_that_differs_between_runs_of_one_seed_is_a_warning(tmp_path):
    found = report(
        tmp_path,
        run_of("CoOp", zero_shot=BASE),
        run_of("SoftCPT", zero_shot={"a": 50.0, "b": 61.0}),
    )
    assert any("must agree" in note for note in found.sections[0].notes)


def test_methods_that_saw_other_images_stand_apart(tmp_path):
    def saw(images: str) -> dict[str, str]:
        return {"train_images": images, "test_images": "t"}

    found = report(
        tmp_path,
        run_of("CoOp", seed=1, shared=saw("x")),
        run_of("CoOp", seed=2, shared=saw("y")),
        run_of("KgCoOp", seed=1, shared=saw("x")),
        run_of("SoftCPT", seed=1, shared=saw("z")),
    )
    assert [section.benchmark.methods() for section in found.sections] == [
        ["CoOp", "KgCoOp"],
        ["SoftCPT"],
    ]
    assert len({section.slug for section in found.sections}) == 2


def test_data_sets_of_one_task_are_one_benchmark(tmp_path):
    found = report(
        tmp_path,
        *(
            run_of("CoOp", tasks={name: value}, dataset=name, seed=seed)
            for name, value in {"DTD": 40.0, "EuroSAT": 60.0}.items()
            for seed in (1, 2)
        ),
        run_of("SoftCPT", tasks={"DTD": 50.0}, dataset="DTD"),
    )
    assert only(found).tasks == ("DTD", "EuroSAT")
    assert table(found, "few-shot") == {"CoOp": ["50.00 ± 0.00"], "SoftCPT": ["missing"]}
    assert table(found, "tasks-1-shot")["DTD"] == ["40.00 ± 0.00", "50.00 (n=1)"]


def test_base_new_and_their_harmonic_mean(tmp_path):
    runs = [
        run_of("CoOp", 16, seed, {"a": 80.0 + seed, "b": 90.0 + seed}, classes="base")
        for seed in (1, 2)
    ]
    runs += [run_of("CoOp", 16, seed, {"a": 60.0, "b": 70.0}, classes="new") for seed in (1, 2)]
    runs += [run_of("SoftCPT", 16, seed, {"a": 80.0, "b": 90.0}, classes="base") for seed in (1, 2)]
    found = report(tmp_path, *runs)
    h = 2 * 86.5 * 65 / (86.5 + 65)
    assert table(found, "base-new-16-shot") == {
        "CoOp": ["86.50 ± 0.50", "65.00 ± 0.00", f"{h:.2f}"],
        "SoftCPT": ["85.00 ± 0.00", "missing", "missing"],
    }
    assert (
        table(found, "base-new-tasks-16-shot")["a"][0]
        == f"81.50 / 60.00 / {2 * 81.5 * 60 / 141.5:.2f}"
    )


def test_paired_comparisons_use_the_same_tasks_and_seeds(tmp_path):
    generator = np.random.default_rng(0)
    values = {
        (method, seed, name): float(generator.uniform(40, 60) + (method == "SoftCPT"))
        for method in ("CoOp", "SoftCPT")
        for seed in (1, 2, 3)
        for name in "abcd"
    }
    runs = [
        run_of(method, 4, seed, {name: values[method, seed, name] for name in "abcd"})
        for method in ("CoOp", "SoftCPT")
        for seed in (1, 2, 3)
        if (method, seed) != ("CoOp", 3)
    ]
    [pair] = contest(only(report(tmp_path, *runs))).comparisons
    sign = 1 if pair.a == "SoftCPT" else -1
    d = (
        np.array(
            [
                [values["SoftCPT", seed, name] - values["CoOp", seed, name] for seed in (1, 2)]
                for name in "abcd"
            ]
        )
        * sign
    )
    assert (pair.units.n, pair.tasks.n) == (8, 4)
    assert pair.units.mean == pytest.approx(d.mean())
    assert pair.t_test == pytest.approx(stats.ttest_1samp(d.ravel(), 0).pvalue)
    assert pair.wilcoxon == pytest.approx(stats.wilcoxon(d.ravel()).pvalue)
    assert pair.wilcoxon_tasks == pytest.approx(stats.wilcoxon(d.mean(1)).pvalue)


def test_p_values_are_corrected_over_the_comparisons_of_a_table(tmp_path):
    generator = np.random.default_rng(1)
    runs = [
        run_of(method, 4, seed, dict(zip("abc", generator.uniform(40, 60, 3).tolist())))
        for method in ("CoOp", "KgCoOp", "SoftCPT")
        for seed in (1, 2, 3)
    ]
    found = contest(only(report(tmp_path, *runs)))
    raw = sorted(pair.units.t_test for pair in found.comparisons)
    corrected = sorted(pair.t_test for pair in found.comparisons)
    assert corrected[0] == pytest.approx(min(1, 3 * raw[0]))
    assert found.ranked == 9 and sum(found.ranks.values()) == pytest.approx(6)


def test_zero_shot_is_paired_with_every_number_of_shots(tmp_path):
    found = only(
        report(
            tmp_path, *shots_and_seeds("CoOp", {(1, 1): 60, (2, 1): 70, (2, 2): 72}, zero_shot=BASE)
        )
    )
    together, one, two = contests(found)
    assert [each.comparisons[0].units.n for each in (together, one, two)] == [6, 2, 4]
    assert one.comparisons[0].units.mean == 5.0


def test_figures_of_another_metric(tmp_path):
    result = run_of(tasks={"a": 50.0, "b": 60.0})
    for task in result["tasks"]["CoOp"]:
        task["macro_f1"] = task["metric"] - 10
    assert table(report(tmp_path, result, metric="macro_f1"), "few-shot")["CoOp"] == ["45.00"]


def test_every_published_average_is_the_mean_of_its_row():
    for benchmark in ("General10", "Plant6", "RS8", "Fashion20"):
        rows = published_rows(benchmark, "RN50")
        assert len(rows) == 13
        for row in rows[1:]:
            cells = [row.cells[shots] for shots in (1, 2, 4, 8, 16)]
            assert row.cells[None] == pytest.approx(tuple(np.mean(cells, axis=0)), abs=0.0101)
    assert published_rows("Plant6", "RN50")[-1].cells[None] == (67.68, 1.18)


def test_published_rows_stand_below_ours_for_the_same_backbone_only(tmp_path):
    runs = [
        run_of("SoftCPT", shots, seed, dict.fromkeys("abcdef", 60.0), dataset="Plant6")
        for shots in (1, 2)
        for seed in (1, 2, 3)
    ]
    rows = table(report(tmp_path / "rn50", *runs), "few-shot")
    assert list(rows)[:2] == ["SoftCPT", "SoftCPT-NATA (published)"]
    assert rows["SoftCPT-NATA (published)"] == ["54.94 ± 2.33", "61.58 ± 1.57", "67.68 ± 1.18"]
    assert len(rows) == 14
    for each in runs:
        each["shared"]["backbone"] = "ViT-B/16"
    assert list(table(report(tmp_path / "vit", *runs), "few-shot")) == ["SoftCPT"]


def test_published_rows_stand_beside_other_weights_of_the_same_architecture_and_say_so(tmp_path):
    runs = [
        run_of("SoftCPT", 1, seed, dict.fromkeys("abcdef", 60.0), dataset="Plant6")
        for seed in (1, 2, 3)
    ]
    for each in runs:
        each["shared"]["backbone"], each["architecture"] = "my_rn50.pt", "RN50"
    found = report(tmp_path / "own", *runs)
    rows = table(found, "few-shot")
    assert list(rows)[:2] == ["SoftCPT", "SoftCPT-NATA (published, other weights)"]
    assert rows["SoftCPT-NATA (published, other weights)"] == ["54.94 ± 2.33"]
    assert any("a file of its own" in note for note in found.sections[0].tables[0].notes)
    assert "published, other weights" in html_page(found)
    for each in runs:
        each["architecture"] = None
    assert list(table(report(tmp_path / "other", *runs), "few-shot")) == ["SoftCPT"]


def test_methods_stand_in_the_papers_order_and_unknown_ones_last():
    methods = [
        "ZeroShot",
        "LinearProbe",
        "CoOp",
        "CoOp-MT",
        "SoftCPT",
        "SoftCPT-CATA",
        "Zeta",
        "alpha",
    ]
    backwards = methods[::-1]
    assert sorted(backwards, key=paper_order) == methods


def test_published_names_are_those_of_our_methods():
    from softcpt.prompters import METHODS

    names = [ours for names in _data()["names"].values() for ours in names if " " not in ours]
    assert set(names) - set(METHODS) == {
        "CoOp-CA",
        "CoOp-CS",
    }  # names of rows that logs bring; ours is an option of CoOp


def test_similarity_of_contexts_takes_their_mean_away():
    vectors = np.array([[5.0, 1.0], [5.0, 1.0], [5.0, -2.0]])
    cosine = similarity(
        Contexts(("a", "b", "c"), tuple(map(tuple, (vectors @ vectors.T).tolist())))
    )
    assert cosine == pytest.approx(np.array([[1, 1, -1], [1, 1, -1], [-1, -1, 1]]))


def test_a_task_at_the_mean_of_all_is_like_none():
    vectors = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
    cosine = similarity(
        Contexts(("a", "b", "c"), tuple(map(tuple, (vectors @ vectors.T).tolist())))
    )
    assert cosine == pytest.approx(np.array([[1, -1, 0], [-1, 1, 0], [0, 0, 1]]))


def test_cost_is_told_without_encoding_images(tmp_path):
    found = report(
        tmp_path,
        run_of("CoOp", seed=1, seconds=60.0),
        run_of("CoOp", seed=2, seconds=70.0),
        run_of("SoftCPT", trained=False, loaded={"prompt": "x", "epoch": 5}),
    )
    assert table(found, "cost") == {"CoOp": ["8,192", "60.0", "5.0", "1,000"]}


def test_relations_are_those_of_the_highest_number_of_shots(tmp_path):
    vectors = np.array([[1.0, 0.2], [-1.0, 0.1], [1.0, 0.3], [-1.0, 0.0]])
    contexts = {"tasks": ["a", "b", "c", "d"], "gram": (vectors @ vectors.T).tolist()}
    other = {"tasks": ["a", "b", "c", "d"], "gram": np.eye(4).tolist()}
    tasks = dict.fromkeys("abcd", 50.0)
    runs = [
        run_of("SoftCPT", 1, tasks=tasks, contexts=other),
        run_of("SoftCPT", 4, tasks=tasks, contexts=contexts),
        run_of("CoOp", 4, tasks=tasks),
    ]
    [found] = report(tmp_path, *runs).sections[0].relations
    assert (found.method, found.shots, found.runs) == ("SoftCPT", 4, 1)
    assert {frozenset(found.tasks[:2]), frozenset(found.tasks[2:])} == {
        frozenset("ac"),
        frozenset("bd"),
    }
    assert found.similarity[0, 1] > 0.9 > -0.9 > found.similarity[0, 3]


def log(folder, name, text, dataset="Toy"):
    path = folder / name / f"rn50_4shots/seed{name[-1]}" / "log.txt"
    path.parent.mkdir(parents=True)
    model = "MODEL:\n  BACKBONE:\n    NAME: RN50\nTRAINER:\n  NAME: CoOp\n"
    config = f"** Config **\nDATASET:\n  NAME: {dataset}\n{model}Collecting env info ...\n"
    path.write_text(f"{config}epoch [1/1] batch [1/1]\nFinish training\n=> result\n{text}")


def test_rows_of_logs_stand_in_the_table_and_in_no_test(tmp_path):
    log(
        tmp_path,
        "theirs1",
        "* overall_metric: 61.0%\n* task: 0 (first)\ttotal: 9\tmetric: 60.0%\n"
        "* task: 1 (second)\ttotal: 9\tmetric: 62.0%\n",
    )
    log(tmp_path, "theirs2", "* overall_metric: 63.0%\n")
    found = report(
        tmp_path, *(run_of(method, 4, seed) for method in ("CoOp", "SoftCPT") for seed in (1, 2))
    )
    assert table(found, "few-shot")["CoOp (log)"] == ["62.00 ± 1.00"]
    assert table(found, "tasks-4-shot")["b"] == [
        "70.00 ± 0.00",
        "70.00 ± 0.00",
        "62.00 (n=1)",
    ]  # tasks by position
    assert [(pair.a, pair.b) for pair in contest(only(found)).comparisons] == [("CoOp", "SoftCPT")]


def test_logs_alone_make_a_report(tmp_path):
    for name in ("DTD", "EuroSAT"):
        for seed in (1, 2):
            log(
                tmp_path,
                f"{name}-{seed}",
                f"* accuracy: {50 + seed}.0%\n* macro_f1: 40.0%\n",
                dataset=name,
            )
    found = make_report([tmp_path])
    assert only(found).tasks == ("DTD", "EuroSAT")
    assert table(found, "few-shot") == {"CoOp (log)": ["51.50 ± 0.50"]}
    assert table(make_report([tmp_path], metric="macro_f1"), "few-shot") == {
        "CoOp (log)": ["40.00 ± 0.00"]
    }


def test_a_log_of_another_data_set_does_not_stand_beside_ours(tmp_path):
    log(tmp_path, "theirs1", "* accuracy: 61.0%\n", dataset="Other")
    found = report(tmp_path, run_of("CoOp", 4))
    assert [section.benchmark.methods() for section in found.sections] == [["CoOp"], ["CoOp (log)"]]
