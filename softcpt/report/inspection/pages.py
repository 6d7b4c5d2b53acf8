"""Writes an inspection as one HTML page that needs no other file, as Markdown, and as text."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path

from softcpt.report.formats import markdown, markdown_text, plain
from softcpt.report.inspection.part import Part
from softcpt.report.table import Table

_PRINTED = 40  # rows of a table on the terminal

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}
{own}
</style>
</head>
<body>
<header><div><h1>{title}</h1><p class="dim">{about}</p></div></header>
<main>
{body}
</main>
</body>
</html>
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# Pictures are drawn on white.
_OWN = """img { max-width: 100%; height: auto; background: white; border-radius: 8px; }
figure { margin: 14px 0; }
figcaption { color: var(--dim); font-size: 0.87rem; }
section > p { max-width: 82ch; }
thead th { padding: 5px 9px; }
.scroll { width: fit-content; max-width: 100%; }
table { width: auto; }"""


def html_page(title: str, about: str, parts: Sequence[Part], pictures: Mapping[str, Path]) -> str:
    """The page's text; ``pictures``: files of the parts' pictures, by name."""
    style = (resources.files("softcpt.report") / "static" / "page.css").read_text(encoding="utf-8")
    body = "\n".join(_section(part, pictures) for part in parts)
    return _FRAME.format(
        policy=_POLICY,
        title=escape(title),
        style=style,
        own=_OWN,
        about=escape(about),
        body=body,
    )


def _section(part: Part, pictures: Mapping[str, Path]) -> str:
    lines = [f"<section>\n<h2>{escape(part.title)}</h2>"]
    lines += [f"<p>{escape(text)}</p>" for text in part.text]
    lines += [f'<p class="dim">Left out: {escape(why)}.</p>' for why in part.missing]
    for name, caption, figure in part.pictures:
        width = round(96 * figure.get_figwidth())  # as large as it was made for
        data = base64.b64encode(pictures[name].read_bytes()).decode("ascii")
        lines.append(
            f'<figure><img src="data:image/png;base64,{data}" '
            f'width="{width}" alt="{escape(caption)}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    lines += map(_html_table, part.tables)
    return "\n".join([*lines, "</section>"])


def _html_table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        shown = (
            f'<{tag} class="text">{escape(text)}</{tag}>'
            if column < table.labels
            else f"<{tag}>{escape(text)}</{tag}>"
            for column, text in enumerate(cells)
        )
        return f"<tr>{''.join(shown)}</tr>"

    rows = "\n".join(row([cell.text for cell in each.cells], "td") for each in table.rows)
    body = (
        f'<div class="scroll tall"><table><thead>{row(table.head, "th")}</thead>'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )
    title = escape(table.title)
    if table.folded:
        return f"<details><summary>{title} ({len(table.rows)} rows)</summary>{body}</details>"
    return f"<p><b>{title}</b></p>{body}"


def markdown_page(title: str, about: str, parts: Sequence[Part]) -> str:
    """The same as Markdown; pictures lie beside it."""
    lines = [f"# {markdown_text(title)}", markdown_text(about)]
    for part in parts:
        lines.append(f"## {part.title}")
        lines += map(markdown_text, part.text)
        lines += [f"Left out: {markdown_text(why)}." for why in part.missing]
        lines += [f"![{markdown_text(caption)}]({name}.png)" for name, caption, _ in part.pictures]
        lines += map(markdown, part.tables)
    return "\n\n".join(line.strip("\n") for line in lines) + "\n"


def printed(parts: Sequence[Part]) -> Iterator[str]:
    """Lines for the terminal: tables, and what was left out."""
    for part in parts:
        for table in part.tables:
            shown = table.rows[:_PRINTED]
            yield plain(Table("", "", table.title, table.head, shown, labels=table.labels))
            if len(table.rows) > len(shown):
                yield f"... and {len(table.rows) - len(shown)} more rows"
            yield ""
        for why in part.missing:
            yield f"left out: {part.title}: {why}"
