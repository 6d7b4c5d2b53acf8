"""The documentation as a site: built without warnings, whole, and without the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import softcpt

ROOT = Path(__file__).resolve().parents[2]
# Other names of functions that the page has.
RENAMED = {"build_prompter", "list_prompters"}


def test_the_reference_has_every_public_name():
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: softcpt\.(\w+)$", page, re.MULTILINE)
    assert len(named) == len({*named})
    assert {*named} == {*softcpt.__all__} - RENAMED - {"__version__"}
    assert all(f"`{name}`" in page for name in RENAMED)


def test_the_site_leads_to_every_page_and_to_no_other():
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    led_to = set(re.findall(r"(docs/[\w/-]+\.md)$", site, re.MULTILINE))
    # The notebook becomes a page when the site is built.
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert led_to == pages | {"docs/quickstart.md"}


@pytest.mark.slow
def test_the_site_is_built_without_warnings(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {
        path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8")
        for path in tmp_path.rglob("*.html")
    }
    assert {"index.html", "docs/index.html", "docs/library.html", "CONTRIBUTING.html"} <= {*pages}
    assert "my_fruits" in pages["docs/quickstart.html"]
    reference = pages["docs/api.html"]
    for name in {*softcpt.__all__} - RENAMED - {"__version__"}:
        assert f'id="softcpt.{name}"' in reference
    assert 'id="softcpt.AdaptedClip.predict"' in reference and ":meth:" not in reference
    fetched = [
        link
        for text in pages.values()
        for link in re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', text)
    ]
    assert not fetched
