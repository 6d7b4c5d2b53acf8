"""A table as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from tabulate import tabulate

from softcpt.report.table import Table

_MARKDOWN = re.compile(r"([\\`*_\[\]<|~$])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "×": r"$\times$",
}


def markdown_text(text: str) -> str:
    """``text`` such that Markdown shows its characters; an ampersand could begin an entity."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split())).replace("&", "&amp;")


def markdown(table: Table) -> str:
    """The table under its title; folded if it is a long one."""
    lines = [
        _markdown_row(table.head),
        "|"
        + "|".join(
            " :-- " if column < table.labels else " --: " for column in range(len(table.head))
        )
        + "|",
    ]
    for row in table.rows:
        lines.append(
            _markdown_row(
                [cell.text for cell in row.cells],
                {i for i, cell in enumerate(row.cells) if cell.best},
                row.published,
            )
        )
    body = "\n".join(lines) + "\n" + "".join(f"\n{markdown_text(note)}\n" for note in table.notes)
    title = markdown_text(table.title)
    if table.folded:
        return f"<details><summary>{html_text(table.title)}</summary>\n\n{body}\n</details>\n"
    return f"**{title}**\n\n{body}"


def _markdown_row(texts: Sequence[str], best: Iterable[int] = (), italic: bool = False) -> str:
    cells = [
        f"**{text}**" if index in best else f"*{text}*" if italic and text else text
        for index, text in enumerate(map(markdown_text, texts))
    ]
    return f"| {' | '.join(cells)} |"


def html_text(text: str) -> str:
    """``text`` for HTML, inside and outside of attributes."""
    for character, entity in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ('"', "&quot;"),
        ("'", "&#39;"),
    ):
        text = text.replace(character, entity)
    return text


def latex_text(text: str) -> str:
    """``text`` such that LaTeX prints its characters."""
    return "".join(_LATEX.get(character, character) for character in text)


def latex(table: Table) -> str:
    """A floating table; needs the package booktabs."""
    columns = "l" * table.labels + "r" * (len(table.head) - table.labels)
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        r"\small",
        rf"\caption{{{latex_text(table.title)}}}",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        _latex_row(table.head),
        r"\midrule",
    ]
    for row in table.rows:
        if row.rule:
            lines.append(r"\midrule")
        lines.append(
            _latex_row(
                [cell.text for cell in row.cells],
                {i for i, cell in enumerate(row.cells) if cell.best},
                row.published,
            )
        )
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip\footnotesize {latex_text(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}", ""])


def _latex_row(texts: Sequence[str], best: Iterable[int] = (), italic: bool = False) -> str:
    cells = [
        rf"\textbf{{{text}}}"
        if index in best
        else rf"\textit{{{text}}}"
        if italic and text
        else text
        for index, text in enumerate(map(latex_text, texts))
    ]
    return " & ".join(cells) + r" \\"


def csv_text(records: Sequence[dict[str, Any]]) -> str:
    """Records with the same keys as CSV, in full precision; nothing stands for what is not
    known."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(
        file, list(dict.fromkeys(key for record in records for key in record)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(records)
    return file.getvalue()


def plain(table: Table) -> str:
    """For the terminal."""
    rows = [
        [f"{cell.text} *" if cell.best else cell.text for cell in row.cells] for row in table.rows
    ]
    align = ["left"] * table.labels + ["right"] * (len(table.head) - table.labels)
    return table.title + "\n" + tabulate(rows, table.head, disable_numparse=True, colalign=align)
