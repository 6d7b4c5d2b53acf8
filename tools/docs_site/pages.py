"""Lays the site out as the repository is, so that links between pages need no change.

A hook of MkDocs, whose own pages are those of one folder: here the pages at the root are added, and
what any page links to. A notebook is shown as a page.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).resolve().parents[2]
FIRST = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> None:
    """Anchors are GitHub's. (In yaml a function needs a tag that safe readers refuse.)"""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The theme's files, and the repository's."""
    kept = [file for file in files if not _is_ours(file)]
    ours = [f"docs/{file.src_uri}" for file in files if _is_ours(file)]
    css = Path(__file__).with_name("site.css")
    style = File.generated(config, "site.css", abs_src_path=str(css))
    found = [_file(path, config) for path in _with_linked([*FIRST, *ours])]
    return Files([*kept, style, *found])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A link to a notebook leads to its page; one to a folder, which no site shows, is text."""
    del config, files

    def changed(match: re.Match[str]) -> str:
        label, link = match.groups()
        if link.endswith(".ipynb"):
            return f"{label}({link.removesuffix('.ipynb')}.md)"
        target = _target(page.file.src_uri, link)
        return label[1:-1] if target and (ROOT / target).is_dir() else match.group()

    return LINK.sub(changed, markdown)


def _is_ours(file: File) -> bool:
    return bool(file.abs_src_path) and Path(file.abs_src_path).is_relative_to(ROOT / "docs")


def _file(path: str, config: MkDocsConfig) -> File:
    if path.endswith(".ipynb"):
        text = "\n\n".join(notebook_parts(ROOT / path))
        return File.generated(config, path.removesuffix(".ipynb") + ".md", content=text)
    return File.generated(config, path, abs_src_path=str(ROOT / path))


def _with_linked(paths: list[str]) -> list[str]:
    """``paths``, and the files that their pages link to, directly or through others."""
    found = dict.fromkeys(paths)
    waiting = list(found)
    while waiting:
        path = waiting.pop()
        if not path.endswith(".md"):
            continue
        for _, link in LINK.findall((ROOT / path).read_text(encoding="utf-8")):
            target = _target(path, link)
            if target and target not in found and (ROOT / target).is_file():
                found[target] = None
                waiting.append(target)
    return list(found)


def _target(page: str, link: str) -> str:
    """Path in the repository of a link of a page; "" for one that leads out of it."""
    path = link.partition("#")[0]
    if not path or re.match(r"[a-z]+:", path):
        return ""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path))


def notebook_parts(path: Path) -> Iterator[str]:
    """The cells of a notebook as Markdown, and what they printed."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
            continue
        yield f"```python\n{source}\n```"
        for output in cell["outputs"]:
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            yield "```text\n" + "".join(text).rstrip() + "\n```"
            png = output.get("data", {}).get("image/png")
            if png:
                yield f"![what the cell shows](data:image/png;base64,{''.join(png).strip()})"
