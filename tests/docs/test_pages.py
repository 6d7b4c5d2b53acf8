"""Links and paths in the pages lead somewhere, and the index leads to every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (".github", "benchmarks", "docs", "softcpt", "tests", "tools")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for name in FOLDERS for page in ROOT.glob(f"{name}/**/*.md"))]
)
# The top of a path that is meant from the root of the project.
TOPS = {
    *("benchmarks", "configs", "datasets", "docs", "scripts"),
    *("softcpt", "tests", "tools", "trainers"),
}
# Pages of a guide name files that its reader makes.
GUIDES = {"CONTRIBUTING.md", "docs/add-a-task.md", "docs/data-in-python.md", "CHANGELOG.md"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    """Without blocks of code."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(words.strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize(
    "page", [page for page in PAGES if name_of(page) not in GUIDES], ids=name_of
)
def test_paths_in_the_text_are_there(page):
    paths = re.findall(r"`([\w./-]+)`", prose(page.read_text(encoding="utf-8")))
    meant = [path for path in paths if "/" in path and path.split("/")[0] in TOPS]
    assert not [path for path in meant if not (ROOT / path).exists()]


def test_the_index_leads_to_every_page():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"]
    assert pages and not [page for page in pages if f"]({page}" not in index]


def test_the_readme_leads_to_the_index_and_to_the_recipes():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(docs/README.md)" in readme and "(CONTRIBUTING.md)" in readme
