"""``python -m softcpt report``: what it writes, and its messages."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from PIL import Image

from softcpt.cli.main import main
from tests.helpers.synthetic_results import gram, many, np, run_of, write

NASTY = "<img src=x onerror=alert(1)> & </script> |_%$"


def report(folder, *more: str, to: str = "report"):
    main(["report", str(folder), "--to", str(folder.parent / to), *more])
    return folder.parent / to


def nasty_runs(folder):
    """Two methods, two shots, two seeds, base and new, contexts, and names of every kind of
    bracket."""
    names = [NASTY, "b_c", "100%", "$x$ $y$"]
    runs = []
    for method in ("CoOp", "Meth<b>od & _Co_"):
        for seed in (1, 2):
            for shots in (1, 2):
                tasks = {
                    name: 50.0 + index + 3 * shots + seed + len(method) / 10
                    for index, name in enumerate(names)
                }
                contexts = {"tasks": names, "gram": gram(np.random.default_rng(seed), 4)}
                runs.append(
                    run_of(
                        method,
                        shots,
                        seed,
                        tasks,
                        zero_shot=dict.fromkeys(names, 50.0),
                        contexts=contexts,
                    )
                )
            figures = dict.fromkeys(names, 60.0 + seed)
            runs += [run_of(method, 2, seed, figures, classes=kind) for kind in ("base", "new")]
    return write(folder, *runs)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return report(nasty_runs(tmp_path_factory.mktemp("report") / "out"))


def test_all_formats_are_written(written):
    names = sorted(
        path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()
    )
    tables = {
        f"tables/{name}.csv"
        for name in ("accuracy", "comparisons", "ranks", "cost", "base-new", "runs")
    }
    assert {"report.md", "report.html", "tables/toy-rn50-few-shot.tex"} | tables <= set(names)
    for figure in ("accuracy", "tasks", "cost", "relations-coop"):
        assert {f"figures/toy-rn50-{figure}.png", f"figures/toy-rn50-{figure}.svg"} <= set(names)
    assert not [name for name in names if "part" in name]


def test_figures_are_whole_pictures_with_the_names_in_them(written):
    for path in (written / "figures").glob("*.png"):
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) > 200
    text = "".join(
        ElementTree.parse(written / "figures" / "toy-rn50-tasks.svg").getroot().itertext()
    )
    assert "$x$ $y$" in text and "Meth<b>od & _Co_" in text


def test_markdown_links_only_to_figures_that_exist(written):
    text = (written / "report.md").read_text()
    links = re.findall(r"(?<!\\)\]\((\S+)\)", text)
    assert len(links) == 5
    assert all((written / link).is_file() for link in links)
    assert not re.search(r"(?<!\\)<(?!/?(?:details|summary)>)", text)


def test_the_page_is_one_file_that_asks_for_nothing(written):
    text = (written / "report.html").read_text()
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)""", text.replace(NASTY, ""))
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", text)
    assert text.count("</script>") == 2
    assert "default-src 'none'" in text


def test_the_pages_data_are_those_of_the_tables(written):
    text = (written / "report.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    [benchmark] = data["benchmarks"]
    assert benchmark["tasks"][0] == NASTY
    index = [method["name"] for method in benchmark["methods"]].index("CoOp")
    with (written / "tables" / "accuracy.csv").open() as file:
        [row] = [
            row
            for row in csv.DictReader(file)
            if (row["method"], row["task"], row["shots"]) == ("CoOp", NASTY, "2")
        ]
    mean, std, high = (float(row[key]) for key in ("mean", "std", "ci95_high"))
    assert benchmark["kinds"]["all"]["cells"][index][1][1] == pytest.approx(
        [mean, std, high - mean, 2], abs=1e-3
    )


def test_csv_has_a_row_per_run(written):
    with (written / "tables" / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len([row for row in rows if row["method"] == "CoOp"]) == 8
    assert {row["classes"] for row in rows} == {"all", "base", "new"}


def test_the_table_is_printed(tmp_path, capsys):
    report(
        write(tmp_path / "out", run_of("CoOp"), run_of("SoftCPT", tasks={"a": 60.0, "b": 70.0})),
        "--formats",
        "md",
    )
    out = capsys.readouterr().out
    assert re.search(r"SoftCPT +65\.00 \*", out) and "2 runs; read" in out


def test_only_the_formats_asked_for_are_written(tmp_path):
    written = report(write(tmp_path / "out", run_of()), "--formats", "csv,md")
    assert {path.suffix for path in written.rglob("*") if path.is_file()} == {".csv", ".md"}


def test_a_report_is_the_same_when_made_again(tmp_path):
    runs = write(tmp_path / "out", run_of("CoOp"), run_of("SoftCPT"))
    first, second = report(runs, to="one"), report(runs, to="two")
    files = [
        path.relative_to(first)
        for path in first.rglob("*")
        if path.suffix in (".md", ".html", ".csv", ".tex")
    ]
    assert len(files) > 8
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)


def test_what_was_left_out_is_told(tmp_path, capsys):
    runs = write(tmp_path / "out", run_of("CoOp"), run_of("SoftCPT", shared={"device": "cpu"}))
    (runs / "run0001" / "broken").mkdir()
    (runs / "run0001" / "broken" / "results.json").write_text("{")
    written = report(runs, "--formats", "md,html")
    out = capsys.readouterr().out
    assert "2 groups of settings; these differ: device" in out and "left out" in out
    text = (written / "report.md").read_text()
    assert "| device | NVIDIA A100 | cpu |" in text and "not whole" in text


@pytest.mark.parametrize(
    "more, message",
    [
        (["--formats", "pdf"], "choose from md, html"),
        (["--formats", ","], "choose from md, html"),
    ],
)
def test_mistakes_end_with_one_line(tmp_path, capsys, more, message):
    with pytest.raises(SystemExit) as end:
        report(write(tmp_path / "out", run_of()), *more)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_without_matplotlib_each_figure_is_a_line_that_says_what_to_install(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    written = report(nasty_runs(tmp_path / "out"))
    remedy = "matplotlib is not installed; pip install matplotlib"
    assert f"figures are left out: {remedy}" in capsys.readouterr().out
    page = (written / "report.md").read_text()
    figures = re.findall(rf"^\*Figure left out \(.+\): {remedy}\*$", page, re.MULTILINE)
    assert len(figures) == 5 and "![" not in page
    assert (written / "report.html").is_file() and not (written / "figures").exists()


def test_figures_that_are_asked_for_without_matplotlib_are_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit):
        report(write(tmp_path / "out", run_of()), "--formats", "md,png")
    assert "--formats md,png: matplotlib is not installed; pip install" in capsys.readouterr().err


def test_a_report_does_not_wait_for_torch(tmp_path):
    write(tmp_path / "out", run_of())
    code = (
        "import sys; from softcpt.cli.main import main; main(['report', *sys.argv[1:], "
        "'--formats', 'md,html,csv,tex']); "
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out"), "--to", str(tmp_path / "to")],
        check=True,
        capture_output=True,
    )


def test_many_runs_of_many_methods_make_one_report(tmp_path):
    many(tmp_path / "out", 80)
    written = report(tmp_path / "out", "--formats", "md,html")
    assert "80 runs read" in (written / "report.md").read_text()
