"""Writes a table as Markdown, LaTeX, CSV, or text for the terminal."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tabulate import tabulate

from softcpt.report.table import Row, Table
from softcpt.utils.csv_cells import defused

_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<|~$"})
_MARKDOWN[ord("&")] = "&amp;"  # it could begin an entity
_LATEX = str.maketrans(
    {
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
)


def markdown_text(text: str) -> str:
    """``text`` such that Markdown shows its characters, on one line."""
    return " ".join(text.split()).translate(_MARKDOWN)


def latex_text(text: str) -> str:
    """``text`` such that LaTeX prints its characters."""
    return text.translate(_LATEX)


def markdown(table: Table) -> str:
    """The table under its title; folded if it is a long one."""
    sides = [" :-- " if column < table.labels else " --: " for column in range(len(table.head))]
    lines = [_markdown_row(map(markdown_text, table.head)), f"|{'|'.join(sides)}|"]
    lines += [_markdown_row(_marked(row, markdown_text, "**{}**", "*{}*")) for row in table.rows]
    body = "\n".join(lines) + "\n"
    body += "".join(f"\n{markdown_text(note)}\n" for note in table.notes)
    if table.folded:
        title = html.escape(table.title)
        return f"<details><summary>{title}</summary>\n\n{body}\n</details>\n"
    return f"**{markdown_text(table.title)}**\n\n{body}"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _marked(row: Row, escape: Callable[[str], str], bold: str, italic: str) -> Iterator[str]:
    """A row's cells, escaped; the best in bold, those of published rows in italics."""
    for cell in row.cells:
        text = escape(cell.text)
        if cell.best:
            yield bold.format(text)
        elif row.published and text:
            yield italic.format(text)
        else:
            yield text


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
        _latex_row(map(latex_text, table.head)),
        r"\midrule",
    ]
    for row in table.rows:
        if row.rule:
            lines.append(r"\midrule")
        lines.append(_latex_row(_marked(row, latex_text, r"\textbf{{{}}}", r"\textit{{{}}}")))
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip\footnotesize {latex_text(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}", ""])


def _latex_row(cells: Iterable[str]) -> str:
    row = " & ".join(cells)
    # Behind a line break or a rule these would be taken for its options.
    return f"{'{}' if row.startswith(('[', '*')) else ''}{row} \\\\"


def csv_text(records: Sequence[dict[str, Any]]) -> str:
    """Records with the same keys as CSV, in full precision; nothing stands for what is not
    known. Text is :func:`softcpt.utils.csv_cells.defused`."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(
        file, list(dict.fromkeys(key for record in records for key in record)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows({key: defused(value) for key, value in record.items()} for record in records)
    return file.getvalue()


def plain(table: Table) -> str:
    """For the terminal."""
    rows = [
        [f"{cell.text} *" if cell.best else cell.text for cell in row.cells] for row in table.rows
    ]
    align = ["left"] * table.labels + ["right"] * (len(table.head) - table.labels)
    text: str = tabulate(rows, table.head, disable_numparse=True, colalign=align)
    return f"{table.title}\n{text}"
