"""Tables as Markdown, LaTeX and CSV; names may hold any character."""

from __future__ import annotations

import csv
import io
import re

import pytest

from softcpt.report.formats import csv_text, latex, latex_text, markdown, markdown_text, plain
from softcpt.report.table import Cell, Row, Table

NASTY = r"a<b> & c|d_e%f$g#h{i}~j^k\l*m[n](o)`p"


def nasty_table(**options) -> Table:
    rows = [
        Row([Cell(NASTY), Cell("1.00 ± 0.10", best=True)]),
        Row([Cell("x (published)"), Cell("2.00")], published=True),
        Row([Cell("mean over tasks"), Cell("1.50")], rule=True),
    ]
    return Table(
        "accuracy",
        "slug",
        "50 % of a_b",
        ["method & all", "1-shot"],
        rows,
        ["Note: 5 < 6."],
        [{"method": NASTY, "mean": 1.0, "std": None}],
        **options,
    )


def test_markdown_keeps_every_character_as_text():
    text = markdown_text(NASTY)
    for character in r"<|_$~*[]`":
        assert text.count(character) == text.count("\\" + character) == NASTY.count(character)
    assert r"\\l" in text and "&amp;" in text and "& " not in text


def test_a_markdown_table_has_a_cell_per_column_whatever_names_hold():
    lines = [line for line in markdown(nasty_table()).splitlines() if line.startswith("|")]
    assert len(lines) == 5
    assert {line.replace(r"\|", "").count("|") for line in lines} == {3}
    assert "**1.00 ± 0.10**" in lines[2] and "*2.00*" in lines[3]


def test_line_breaks_in_names_do_not_break_a_row():
    assert markdown_text("a\nb\r\n c") == "a b c"


def test_a_long_table_is_folded():
    assert markdown(nasty_table(folded=True)).startswith("<details><summary>50 % of a_b</summary>")


def test_latex_keeps_every_character_as_text():
    assert latex_text(NASTY) == (
        r"a\textless{}b\textgreater{} \& c\textbar{}d\_e\%f\$g\#h\{i\}"
        r"\textasciitilde{}j\textasciicircum{}k\textbackslash{}l*m[n](o)`p"
    )


def test_a_latex_table_is_one_booktabs_table():
    text = latex(nasty_table())
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    for rule in (r"\toprule", r"\bottomrule"):
        assert text.count(rule) == 1
    assert text.count(r"\midrule") == 2
    assert (
        r"\textbf{1.00 $\pm$ 0.10} \\" in text
        and r"\textit{x (published)} & \textit{2.00} \\" in text
    )
    assert r"\caption{50 \% of a\_b}" in text
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")].replace(r"\&", "")
    assert {line.count("&") for line in body.splitlines() if line.endswith(r"\\")} == {1}


def test_csv_gives_names_back_and_leaves_unknown_figures_empty():
    [row] = csv.DictReader(
        io.StringIO(csv_text([{"method": NASTY + '\n,"q"', "mean": 1.0, "std": None}]))
    )
    assert row == {"method": NASTY + '\n,"q"', "mean": "1.0", "std": ""}


def test_records_with_other_keys_share_a_file():
    rows = list(csv.DictReader(io.StringIO(csv_text([{"a": 1}, {"b": 2}]))))
    assert rows == [{"a": "1", "b": ""}, {"a": "", "b": "2"}]


def test_the_terminal_shows_the_best_with_a_star():
    assert "1.00 ± 0.10 *" in plain(nasty_table())


@pytest.mark.parametrize("first", ["[x] CoOp", "*CoOp"])
def test_a_latex_row_never_begins_with_an_option_of_the_line_break_before_it(first):
    text = latex(Table("a", "a", "t", [first, "b"], [Row([Cell(first), Cell("1")])] * 2, [], []))
    assert text.count(f"{{}}{first} & ") == 3
    assert not re.search(r"(\\\\|rule)\s*[\[*]", text)


def test_a_cell_that_a_spreadsheet_would_run_is_text():
    names = ["=1+1", "+CoOp", "-x", "@SUM(A1)", "\t=1"]
    rows = csv.DictReader(io.StringIO(csv_text([{"a": name} for name in names])))
    assert [row["a"] for row in rows] == [f"'{name}" for name in names]


def test_numbers_stay_numbers():
    values = [-1.5, "-2", "+3e4", "CoOp", None]
    rows = csv.DictReader(io.StringIO(csv_text([{"a": value, "b": 1} for value in values])))
    assert [row["a"] for row in rows] == ["-1.5", "-2", "+3e4", "CoOp", ""]
