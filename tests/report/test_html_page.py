"""The text of the HTML page; what it does in a browser is in test_page_in_browser.py."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from softcpt.report import html_page
from softcpt.report.html_page import page_script
from tests.helpers.programs import NO_NODE, NODE


@pytest.mark.skipif(not NODE, reason=NO_NODE)
def test_the_pages_script_is_one_module_that_node_accepts(tmp_path):
    script = tmp_path / "page.mjs"
    script.write_text(page_script(), encoding="utf-8")
    found = subprocess.run([NODE, "--check", str(script)], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_the_pages_script_holds_every_module_once():
    static = Path(html_page.__file__).parent / "static"
    script = page_script()
    for module in static.glob("*.js"):
        first = module.read_text(encoding="utf-8").splitlines()[0]
        assert script.count(first) == 1, module.name
    assert not re.search(r"^(?:import|export) ", script, re.MULTILINE)
